#include "gateway/http1/head_parser.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "gateway/http/field_rules.h"
#include "gateway/http/scan.h"
#include "gateway/http1/head_rules.h"

namespace pointsman::gateway {

namespace {

// "HTTP/1.1" is 1, "HTTP/1.0" is 0; -1: not a version; -2: a version not spoken here.
int MinorVersion(absl::string_view text) {
  if (text == "HTTP/1.1") return 1;
  if (text == "HTTP/1.0") return 0;
  if (text.size() == 8 && absl::StartsWith(text, "HTTP/") && absl::ascii_isdigit(text[5]) &&
      text[6] == '.' && absl::ascii_isdigit(text[7])) {
    return -2;
  }
  return -1;
}

}  // namespace

void RequestParser::Start(RequestHead* head) {
  head->Clear();
  head_ = head;
  have_line_ = false;
  skipped_empty_ = false;
  Begin(&head->block, limits_.fields_max);
}

HeadProgress RequestParser::Feed(absl::string_view input) {
  HeadProgress progress;
  TextRef line;
  while (NextLine(input, &progress, &line)) {
    Reason reason = Reason::kNone;
    if (!have_line_) {
      if (line.size == 0) {
        // RFC 9112 2.2: one empty line before a request is let pass.
        if (skipped_empty_) return Failed(progress, Reason::kBadRequestLine);
        skipped_empty_ = true;
        continue;
      }
      reason = ParseRequestLine(line);
      have_line_ = true;
    } else if (line.size > 0) {
      reason = AddFieldLine(line);
    } else {
      reason = ApplyRequestRules(head_);
      if (reason == Reason::kNone) {
        progress.state = ParseState::kDone;
        return progress;
      }
    }
    if (reason != Reason::kNone) return Failed(progress, reason);
  }
  if (progress.state == ParseState::kError && !have_line_ &&
      progress.reason == Reason::kBadHeader) {
    progress.reason = Reason::kBadRequestLine;
  }
  return progress;
}

Reason RequestParser::ParseRequestLine(TextRef line) {
  const absl::string_view text = block_->At(line);
  const size_t first = text.find(' ');
  const size_t last = text.rfind(' ');
  if (first == absl::string_view::npos || first == last) return Reason::kBadRequestLine;
  const absl::string_view method = text.substr(0, first);
  const absl::string_view target = text.substr(first + 1, last - first - 1);
  if (!IsToken(method) || target.empty()) return Reason::kBadRequestLine;
  const int minor = MinorVersion(text.substr(last + 1));
  if (minor == -1) return Reason::kBadRequestLine;
  if (minor == -2) return Reason::kBadVersion;
  head_->legacy = minor == 0;
  head_->method = MethodOf(method);
  head_->method_text = block_->RefTo(method);
  return ParseTarget(block_->RefTo(target));
}

Reason RequestParser::ParseTarget(TextRef target) {
  const absl::string_view text = block_->At(target);
  if (!IsTargetText(text)) return Reason::kBadTarget;
  if (head_->method == Method::kConnect) return Reason::kConnectRefused;
  if (text.front() == '/') {
    head_->target = target;
    return Reason::kNone;
  }
  if (text == "*") {
    head_->target = target;
    return head_->method == Method::kOptions ? Reason::kNone : Reason::kBadTarget;
  }
  // Absolute form.
  size_t skip = 0;
  if (absl::StartsWithIgnoreCase(text, "http://")) skip = 7;
  if (absl::StartsWithIgnoreCase(text, "https://")) skip = 8;
  if (skip == 0) return Reason::kBadTarget;
  const absl::string_view rest = text.substr(skip);
  const size_t slash = rest.find('/');
  // A query directly behind the host would need a '/' put in: not repaired.
  if (slash == absl::string_view::npos && rest.find('?') != absl::string_view::npos) {
    return Reason::kBadTarget;
  }
  const absl::string_view authority = rest.substr(0, slash);
  if (!IsAuthority(authority)) return Reason::kBadTarget;
  head_->authority = block_->RefTo(authority);
  if (slash == absl::string_view::npos) {
    // "http://host" means the path "/": the slash before the host serves as one.
    head_->target = TextRef{static_cast<uint32_t>(target.offset + skip - 1), 1};
  } else {
    head_->target = block_->RefTo(rest.substr(slash));
  }
  return Reason::kNone;
}

void ResponseParser::Start(ResponseHead* head, Method request_method, Upgrade asked) {
  head->Clear();
  head_ = head;
  request_method_ = request_method;
  asked_ = asked;
  have_line_ = false;
  Begin(&head->block, limits_.fields_max);
}

HeadProgress ResponseParser::Feed(absl::string_view input) {
  HeadProgress progress;
  TextRef line;
  while (NextLine(input, &progress, &line)) {
    Reason reason = Reason::kNone;
    if (!have_line_) {
      reason = ParseStatusLine(line);
      have_line_ = true;
    } else if (line.size > 0) {
      reason = AddFieldLine(line);
    } else {
      reason = ApplyResponseRules(request_method_, asked_, legacy_, head_);
      if (reason == Reason::kNone) {
        progress.state = ParseState::kDone;
        return progress;
      }
    }
    if (reason != Reason::kNone) return Failed(progress, Reason::kUpstreamProtocol);
  }
  if (progress.state == ParseState::kError) progress.reason = Reason::kUpstreamProtocol;
  return progress;
}

Reason ResponseParser::ParseStatusLine(TextRef line) {
  const absl::string_view text = block_->At(line);
  // "HTTP/1.1 200" and, after a space, any reason.
  if (text.size() < 12 || text[8] != ' ') return Reason::kUpstreamProtocol;
  const int minor = MinorVersion(text.substr(0, 8));
  if (minor < 0) return Reason::kUpstreamProtocol;
  legacy_ = minor == 0;
  for (size_t i = 9; i < 12; ++i) {
    if (!absl::ascii_isdigit(text[i])) return Reason::kUpstreamProtocol;
    head_->status = head_->status * 10 + (text[i] - '0');
  }
  if (head_->status < 100 || head_->status > 599) return Reason::kUpstreamProtocol;
  if (text.size() > 12) {
    if (text[12] != ' ') return Reason::kUpstreamProtocol;
    const absl::string_view reason = text.substr(13);
    if (!IsValueText(reason)) return Reason::kUpstreamProtocol;
    head_->reason = block_->RefTo(reason);
  }
  return Reason::kNone;
}

}  // namespace pointsman::gateway
