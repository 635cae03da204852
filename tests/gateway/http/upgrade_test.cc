#include "gateway/http/upgrade.h"

#include <random>
#include <string>

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

Upgrade Asked(absl::string_view list, absl::string_view key = kKey) {
  RequestHead head;
  head.method = Method::kGet;
  Add("upgrade", list, &head.block);
  Add("sec-websocket-key", key, &head.block);
  return UpgradeAskedFor(head);
}

TEST(UpgradeTest, FollowsNothingButWebSocket) {
  EXPECT_EQ(Asked("websocket"), Upgrade::kWebSocket);
  EXPECT_EQ(Asked("h2c, \tWebSocket "), Upgrade::kWebSocket);
  for (absl::string_view list :
       {"", ",", "h2c", "TLS/1.0", "websocket/13", "web socket", "websocketx", "\"websocket\""}) {
    EXPECT_EQ(Asked(list), Upgrade::kNone) << list;
  }
  EXPECT_EQ(Asked("websocket", "short"), Upgrade::kNone);
}

TEST(UpgradeTest, WantsAGetWithoutABodyInHttp11) {
  RequestHead head;
  head.method = Method::kGet;
  Add("upgrade", "websocket", &head.block);
  Add("sec-websocket-key", kKey, &head.block);
  EXPECT_EQ(UpgradeAskedFor(head), Upgrade::kWebSocket);
  head.body = BodyKind::kLength;
  EXPECT_EQ(UpgradeAskedFor(head), Upgrade::kNone);
  head.body = BodyKind::kNone;
  head.legacy = true;
  EXPECT_EQ(UpgradeAskedFor(head), Upgrade::kNone);
  head.legacy = false;
  head.method = Method::kPost;
  EXPECT_EQ(UpgradeAskedFor(head), Upgrade::kNone);
}

TEST(UpgradeTest, BelievesOnlyTheProofOfItsKey) {
  RequestHead request;
  Add("sec-websocket-key", kKey, &request.block);
  HeaderBlock good;
  Add("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", &good);
  EXPECT_TRUE(TakeHandshake(request, &good));
  EXPECT_TRUE(good.fields()[0].dropped) << "written anew for the client";
  for (absl::string_view bad :
       {"", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo", "S3pPLMBiTxaQ9kYGzzhZRbK+xOo="}) {
    HeaderBlock block;
    Add("sec-websocket-accept", bad, &block);
    EXPECT_FALSE(TakeHandshake(request, &block)) << bad;
  }
  HeaderBlock none;
  EXPECT_FALSE(TakeHandshake(request, &none));
}

}  // namespace
}  // namespace pointsman::gateway
