#include "gateway/http/upgrade.h"

#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

constexpr absl::string_view kKey = "dGhlIHNhbXBsZSBub25jZQ==";

std::string Text(const WebSocketAccept& accept) { return {accept.data(), accept.size()}; }

void Add(absl::string_view name, absl::string_view value, HeaderBlock* block) {
  Field field;
  bool alias = false;
  field.token = TokenOf(name, &alias);
  field.dropped = alias;
  const auto keep = [block](absl::string_view text) {
    const TextRef ref{static_cast<uint32_t>(block->text_size()),
                      static_cast<uint32_t>(text.size())};
    block->AppendText(text);
    return ref;
  };
  field.name = keep(name);
  field.value = keep(value);
  block->AddField(field);
}

TEST(UpgradeTest, AnswersTheKeyOfTheStandardsExample) {
  EXPECT_EQ(Text(AcceptFor(kKey)), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST(UpgradeTest, MakesKeysThatItTakes) {
  std::mt19937_64 random(7);
  std::string last;
  for (int i = 0; i < 100; ++i) {
    const WebSocketKey key = MakeWebSocketKey(random);
    const std::string text(key.data(), key.size());
    HeaderBlock block;
    Add("Sec-WebSocket-Key", text, &block);
    EXPECT_EQ(WebSocketKeyOf(block), text);
    EXPECT_NE(text, last);
    last = text;
  }
}

TEST(UpgradeTest, TakesOneWellFormedKeyOnly) {
  for (absl::string_view bad :
       {"", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZQ===", "dGhlIHNhbXBsZSBub25jZQAA",
        "dGhlIHNhbXBsZSBub25j?Q==", "=GhlIHNhbXBsZSBub25jZQ=="}) {
    HeaderBlock block;
    Add("sec-websocket-key", bad, &block);
    EXPECT_EQ(WebSocketKeyOf(block), "") << bad;
  }
  HeaderBlock twice;
  Add("sec-websocket-key", kKey, &twice);
  EXPECT_EQ(WebSocketKeyOf(twice), kKey);
  Add("Sec-WebSocket-Key", kKey, &twice);
  EXPECT_EQ(WebSocketKeyOf(twice), "");
  HeaderBlock behind_nothing;
  Add("sec-websocket-key", "", &behind_nothing);
  Add("sec-websocket-key", kKey, &behind_nothing);
  EXPECT_EQ(WebSocketKeyOf(behind_nothing), "");
  HeaderBlock alias;
  Add("sec_websocket_key", kKey, &alias);
  EXPECT_EQ(WebSocketKeyOf(alias), "");
}

void Ask(absl::string_view list, absl::string_view key, RequestHead* head) {
  head->method = Method::kGet;
  Add("upgrade", list, &head->block);
  if (!key.empty()) Add("sec-websocket-key", key, &head->block);
}

// The name that is chosen; "" for none.
std::string Chosen(RequestHead* head, const std::vector<std::string>& allowed = {}) {
  if (!head->extended_connect) head->protocols = ProtocolsAskedFor(*head);
  head->upgrade = Upgrade::kNone;
  ChooseUpgrade(allowed, head);
  return head->upgrade == Upgrade::kNone ? "" : std::string(UpgradeName(*head));
}

std::string ChosenOf(absl::string_view list, absl::string_view key = kKey,
                     const std::vector<std::string>& allowed = {}) {
  RequestHead head;
  Ask(list, key, &head);
  return Chosen(&head, allowed);
}

TEST(UpgradeTest, FollowsNothingButWebSocketUnlessTold) {
  EXPECT_EQ(ChosenOf("websocket"), "websocket");
  EXPECT_EQ(ChosenOf("h2c, \tWebSocket "), "websocket");
  for (absl::string_view list :
       {"", ",", "h2c", "TLS/1.0", "websocket/13", "web socket", "websocketx", "\"websocket\""}) {
    EXPECT_EQ(ChosenOf(list), "") << list;
  }
  EXPECT_EQ(ChosenOf("websocket", "short"), "");
}

TEST(UpgradeTest, FollowsTheFirstThatTheRouteAllows) {
  const std::vector<std::string> allowed = {"spdy/3.1", "TCP", "websocket"};
  EXPECT_EQ(ChosenOf("SPDY/3.1", "", allowed), "SPDY/3.1") << "as the client wrote it";
  EXPECT_EQ(ChosenOf("h2c, ,\ttcp , SPDY/3.1", "", allowed), "tcp");
  EXPECT_EQ(ChosenOf("tcp, websocket", kKey, allowed), "tcp");
  EXPECT_EQ(ChosenOf("websocket, tcp", kKey, allowed), "websocket");
  EXPECT_EQ(ChosenOf("websocket, tcp", "", allowed), "tcp") << "no handshake without a key";
  for (absl::string_view list : {"spdy", "spdy/3", "spdy/3.10", "tcp/1", "t cp", "websocket"}) {
    EXPECT_EQ(ChosenOf(list, "", allowed), "") << list;
  }
}

TEST(UpgradeTest, WebSocketWantsAGetWithoutABodyInHttp11) {
  RequestHead head;
  Ask("websocket", kKey, &head);
  EXPECT_EQ(Chosen(&head), "websocket");
  head.body = BodyKind::kLength;
  EXPECT_EQ(Chosen(&head), "");
  head.body = BodyKind::kNone;
  head.legacy = true;
  EXPECT_EQ(Chosen(&head), "");
  head.legacy = false;
  head.method = Method::kPost;
  EXPECT_EQ(Chosen(&head, {"websocket"}), "");
}

TEST(UpgradeTest, OthersMayComeWithAnyMethodButNoBody) {
  RequestHead head;
  Ask("tcp", "", &head);
  head.method = Method::kPost;
  head.body = BodyKind::kLength;
  EXPECT_EQ(Chosen(&head, {"tcp"}), "tcp") << "of no bytes";
  head.content_length = 1;
  EXPECT_EQ(Chosen(&head, {"tcp"}), "");
  head.body = BodyKind::kChunked;
  EXPECT_EQ(Chosen(&head, {"tcp"}), "");
  head.body = BodyKind::kNone;
  EXPECT_EQ(Chosen(&head, {"tcp"}), "tcp");
  head.legacy = true;
  EXPECT_EQ(Chosen(&head, {"tcp"}), "");
  head.legacy = false;
  head.method = Method::kHead;
  EXPECT_EQ(Chosen(&head, {"tcp"}), "");
  head.method = Method::kOptions;
  EXPECT_EQ(Chosen(&head, {"tcp"}), "tcp");
  head.target = {static_cast<uint32_t>(head.block.text_size()), 1};
  head.block.AppendText("*");
  EXPECT_EQ(Chosen(&head, {"tcp"}), "");
}

TEST(UpgradeTest, ThePseudoFieldIsNoList) {
  RequestHead head;
  head.extended_connect = true;
  for (absl::string_view name : {"tcp", "WebSocket", "tcp, spdy", "udp", ","}) {
    head.protocols = {static_cast<uint32_t>(head.block.text_size()),
                      static_cast<uint32_t>(name.size())};
    head.block.AppendText(name);
    const std::string expected = name == "tcp" ? "tcp" : name == "WebSocket" ? "websocket" : "";
    EXPECT_EQ(Chosen(&head, {"tcp", "spdy"}), expected) << name;
  }
}

TEST(UpgradeTest, BelievesOnlyTheNameThatWasAskedFor) {
  RequestHead request;
  Ask("tcp", "", &request);
  request.protocols = ProtocolsAskedFor(request);
  ChooseUpgrade(std::vector<std::string>{"tcp"}, &request);
  for (absl::string_view good : {"tcp", "TCP"}) {
    HeaderBlock block;
    Add("Upgrade", good, &block);
    EXPECT_TRUE(TakeHandshake(request, &block)) << good;
    Add("Upgrade", good, &block);
    EXPECT_FALSE(TakeHandshake(request, &block)) << "twice";
  }
  for (absl::string_view bad : {"", "tcp, h2c", "h2c", "tcp/1", "websocket"}) {
    HeaderBlock block;
    Add("Upgrade", bad, &block);
    EXPECT_FALSE(TakeHandshake(request, &block)) << bad;
  }
  HeaderBlock none;
  EXPECT_FALSE(TakeHandshake(request, &none));
}

TEST(UpgradeTest, BelievesOnlyTheProofOfItsKey) {
  RequestHead request;
  Ask("websocket", kKey, &request);
  request.upgrade = Upgrade::kWebSocket;
  HeaderBlock good;
  Add("upgrade", "websocket", &good);
  Add("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", &good);
  EXPECT_TRUE(TakeHandshake(request, &good));
  EXPECT_TRUE(good.fields()[1].dropped) << "written anew for the client";
  for (absl::string_view bad :
       {"", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo", "S3pPLMBiTxaQ9kYGzzhZRbK+xOo="}) {
    HeaderBlock block;
    Add("upgrade", "websocket", &block);
    Add("sec-websocket-accept", bad, &block);
    EXPECT_FALSE(TakeHandshake(request, &block)) << bad;
  }
  HeaderBlock none;
  Add("upgrade", "websocket", &none);
  EXPECT_FALSE(TakeHandshake(request, &none));
}

}  // namespace
}  // namespace pointsman::gateway
