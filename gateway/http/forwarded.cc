#include "gateway/http/forwarded.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gateway/http/field_rules.h"
#include "gateway/http/forwarded_chain.h"

namespace pointsman::gateway {

namespace {

// Nobody says these to an endpoint but the gateway; or they would name another path than the one
// that was matched.
constexpr TokenSet kNobodys = Only(FieldToken::kPointsman) | Only(FieldToken::kPathOverride);
constexpr TokenSet kClaims =
    Only(FieldToken::kForwarded) | Only(FieldToken::kXForwardedFor) |
    Only(FieldToken::kXForwardedHost) | Only(FieldToken::kXForwardedOther) |
    Only(FieldToken::kXForwardedProto) | Only(FieldToken::kXRealIp) | Only(FieldToken::kXRequestId);

constexpr size_t kRequestIdBytesMax = 128;

bool IsProto(absl::string_view text) { return text == "http" || text == "https"; }

bool IsRequestId(absl::string_view text) {
  return !text.empty() && text.size() <= kRequestIdBytesMax &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

// A field that says one thing is believed when there is one and it is well said.
void KeepOne(FieldToken token, bool (*is_good)(absl::string_view), HeaderBlock* block) {
  if (!block->MayHave(Only(token))) return;
  int count = 0;
  bool good = true;
  for (const Field& field : block->fields()) {
    if (field.token != token) continue;
    ++count;
    good = good && is_good(block->At(field.value));
  }
  if (count != 1 || !good) block->Erase(Only(token));
}

// A copy of `text` with ", " and `more` behind it. REQUIRES: `more` is not in the block.
TextRef Extended(TextRef text, absl::string_view more, HeaderBlock* block) {
  char* const out = block->ReserveText(text.size + 2 + more.size());
  std::memcpy(out, block->At(text).data(), text.size);
  out[text.size] = ',';
  out[text.size + 1] = ' ';
  std::memcpy(out + text.size + 2, more.data(), more.size());
  const TextRef extended{static_cast<uint32_t>(block->text_size()),
                         static_cast<uint32_t>(text.size + 2 + more.size())};
  block->CommitText(extended.size);
  return extended;
}

// The values of all fields with this token, in order; the text is their only copy or the value of
// the one field.
TextRef Joined(FieldToken token, HeaderBlock* block) {
  TextRef joined;
  for (const Field& field : block->fields()) {
    if (field.token != token || field.value.size == 0) continue;
    if (joined.size == 0) {
      joined = field.value;
      continue;
    }
    joined = Extended(joined, std::string(block->At(field.value)), block);
  }
  return joined;
}

// The first field with this token says `value` from now on, the others nothing; added when there
// is none.
void Say(FieldToken token, absl::string_view name, TextRef value, HeaderBlock* block) {
  Field said;
  for (const Field& field : block->fields()) {
    if (field.token == token) {
      said = field;
      break;
    }
  }
  block->Erase(Only(token));
  if (said.token != token) said = {.name = block->Keep(name), .value = {}, .token = token};
  said.value = value;
  block->AddHeadField(said);
}

std::string OwnElement(const Sender& sender, absl::string_view authority) {
  const bool v6 = absl::StrContains(sender.host, ':');
  std::string element = absl::StrCat("for=", v6 ? "\"[" : "", sender.host, v6 ? "]\"" : "");
  if (!authority.empty()) absl::StrAppend(&element, ";host=\"", authority, "\"");
  absl::StrAppend(&element, ";proto=", sender.proto);
  return element;
}

class ClaimReader {
 public:
  ClaimReader(const Sender& sender, RequestHead* head) : sender_(sender), head_(*head) {}

  TextRef Read() {
    KeepOne(FieldToken::kXForwardedProto, &IsProto, &block());
    KeepOne(FieldToken::kXForwardedHost, &IsAuthority, &block());
    KeepOne(FieldToken::kXRequestId, &IsRequestId, &block());
    const TextRef chain = Joined(FieldToken::kXForwardedFor, &block());
    if (const auto client = NearestClient(block().At(chain), *sender_.proxies)) {
      client_ = block().RefTo(client->host);
      client_ip_ = client->ip;
    }
    block().Erase(chain.size > 0 ? 0 : Only(FieldToken::kXForwardedFor));
    if (chain.size > 0) SayChain(chain);
    ReadForwarded(chain.size > 0);
    return client_;
  }

 private:
  HeaderBlock& block() { return head_.block; }
  void SayChain(TextRef before) {
    Say(FieldToken::kXForwardedFor, "x-forwarded-for", Extended(before, sender_.host, &block()),
        &block());
  }

  // Two chains that tell of different clients: one of them is the client's own invention, and
  // proxies that keep no X-Forwarded-For up to date are rare.
  void ReadForwarded(bool has_chain) {
    const TextRef text = Joined(FieldToken::kForwarded, &block());
    ForwardedElements elements;
    size_t index = 0;
    std::optional<ChainNode> client;
    if (text.size > 0 && ParseForwarded(block().At(text), &elements)) {
      client = NearestClient(elements, *sender_.proxies, &index);
    }
    if (!client || (has_chain && client_ip_ != client->ip)) {
      block().Erase(Only(FieldToken::kForwarded));
      return;
    }
    if (!has_chain) Believe(*client, elements[index]);
    Say(FieldToken::kForwarded, "forwarded",
        Extended(text, OwnElement(sender_, block().At(head_.authority)), &block()), &block());
  }

  // What only Forwarded says is said in the other fields as well, which endpoints read.
  void Believe(const ChainNode& client, const ForwardedElement& element) {
    // The text may move.
    const std::string host(element.host);
    const std::string proto(element.proto);
    client_ = block().RefTo(client.host);
    client_ip_ = client.ip;
    SayChain(client_);
    if (IsProto(proto) && block().Find(FieldToken::kXForwardedProto) == nullptr) {
      Say(FieldToken::kXForwardedProto, "x-forwarded-proto", block().Keep(proto), &block());
    }
    if (IsAuthority(host) && block().Find(FieldToken::kXForwardedHost) == nullptr) {
      Say(FieldToken::kXForwardedHost, "x-forwarded-host", block().Keep(host), &block());
    }
  }

  const Sender& sender_;
  RequestHead& head_;
  TextRef client_;
  std::optional<common::IpAddress> client_ip_;
};

}  // namespace

TextRef TakeClaims(const Sender& sender, RequestHead* head) {
  HeaderBlock& block = head->block;
  if (!block.MayHave(kNobodys | kClaims)) return {};
  block.Erase(kNobodys);
  if (sender.trusted) return ClaimReader(sender, head).Read();
  block.Erase(kClaims);
  return {};
}

}  // namespace pointsman::gateway
