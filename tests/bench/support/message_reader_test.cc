#include "bench/support/message_reader.h"

#include <gtest/gtest.h>

#include <string>

namespace pointsman::bench {
namespace {

using Kind = MessageReader::Kind;
using Result = MessageReader::Result;

// Feeds `bytes` in pieces of `step`; `used` is the length of the message when it is whole.
Result Feed(MessageReader& reader, const std::string& bytes, size_t step, size_t* used) {
  *used = 0;
  Result result = Result::kNeedMore;
  while (result == Result::kNeedMore && *used < bytes.size()) {
    size_t taken = 0;
    result = reader.Read(absl::string_view(bytes).substr(*used, step), &taken);
    *used += taken;
  }
  return result;
}

struct Message {
  Kind kind;
  std::string bytes;
  uint64_t body_bytes;
};

const Message kMessages[] = {
    {Kind::kResponse, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Backend: b1\r\n\r\nhello", 5},
    {Kind::kResponse,
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n"
     "A\r\n0123456789\r\n0\r\nTrailer: 1\r\n\r\n",
     15},
    {Kind::kResponse, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", 0},
    {Kind::kRequest, "GET /path?x HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {Kind::kRequest, "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", 3},
};

TEST(MessageReaderTest, FindsTheEndHoweverTheBytesAreCut) {
  for (const Message& message : kMessages) {
    for (size_t step = 1; step <= message.bytes.size() + 4; ++step) {
      MessageReader reader(message.kind);
      size_t used = 0;
      EXPECT_EQ(Feed(reader, message.bytes + "NEXT", step, &used), Result::kDone) << message.bytes;
      EXPECT_EQ(used, message.bytes.size());
      EXPECT_EQ(reader.body_bytes(), message.body_bytes);
      EXPECT_TRUE(reader.keep_alive());
    }
  }
}

TEST(MessageReaderTest, ReadsTheNextMessageAfterReset) {
  MessageReader reader(Kind::kResponse);
  size_t used = 0;
  EXPECT_EQ(Feed(reader, kMessages[0].bytes, 100, &used), Result::kDone);
  EXPECT_EQ(reader.backend(), "b1");
  reader.Reset();
  EXPECT_FALSE(reader.started());
  EXPECT_EQ(Feed(reader, "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", 100, &used),
            Result::kDone);
  EXPECT_EQ(reader.status(), 503);
  EXPECT_EQ(reader.backend(), "");
}

TEST(MessageReaderTest, TakesNoBodyAfterHead) {
  MessageReader reader(Kind::kResponse);
  reader.Reset(/*answers_head=*/true);
  size_t used = 0;
  EXPECT_EQ(Feed(reader, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 100, &used),
            Result::kDone);
}

TEST(MessageReaderTest, EndsAnUnframedBodyWithTheConnection) {
  MessageReader reader(Kind::kResponse);
  size_t used = 0;
  EXPECT_EQ(Feed(reader, "HTTP/1.1 200 OK\r\n\r\nsome", 100, &used), Result::kNeedMore);
  EXPECT_EQ(reader.ReadEnd(), Result::kDone);
  EXPECT_FALSE(reader.keep_alive());
}

TEST(MessageReaderTest, SaysThatATruncatedMessageIsBroken) {
  for (const Message& message : kMessages) {
    MessageReader reader(message.kind);
    size_t used = 0;
    EXPECT_EQ(Feed(reader, message.bytes.substr(0, message.bytes.size() - 1), 100, &used),
              Result::kNeedMore);
    EXPECT_EQ(reader.ReadEnd(), Result::kBroken);
  }
}

TEST(MessageReaderTest, SeesThatThePeerWillClose) {
  MessageReader response(Kind::kResponse);
  size_t used = 0;
  Feed(response, "HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 0\r\n\r\n", 100,
       &used);
  EXPECT_FALSE(response.keep_alive());
  MessageReader request(Kind::kRequest);
  Feed(request, "GET / HTTP/1.0\r\n\r\n", 100, &used);
  EXPECT_FALSE(request.keep_alive());
}

TEST(MessageReaderTest, RefusesFramingThatCannotBeFollowed) {
  const std::string bad[] = {
      "HTTP/2 200 OK\r\n\r\n",
      "garbage\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
      "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
      "HTTP/1.1 200 OK\r\nX: " + std::string(MessageReader::kHeadBytesMax, 'x'),
  };
  for (const std::string& bytes : bad) {
    MessageReader reader(Kind::kResponse);
    size_t used = 0;
    EXPECT_EQ(Feed(reader, bytes, bytes.size(), &used), Result::kBroken) << bytes.substr(0, 80);
  }
}

}  // namespace
}  // namespace pointsman::bench
