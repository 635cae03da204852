#include "gateway/http2/session.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

constexpr absl::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// RFC 9113 4.1.
std::string Frame(uint8_t type, uint8_t flags, uint32_t stream, absl::string_view payload) {
  std::string frame = {static_cast<char>(payload.size() >> 16),
                       static_cast<char>(payload.size() >> 8),
                       static_cast<char>(payload.size()),
                       static_cast<char>(type),
                       static_cast<char>(flags),
                       static_cast<char>(stream >> 24),
                       static_cast<char>(stream >> 16),
                       static_cast<char>(stream >> 8),
                       static_cast<char>(stream)};
  return absl::StrCat(frame, payload);
}
std::string Settings() { return Frame(4, 0, 0, ""); }
std::string Goaway() { return Frame(7, 0, 0, std::string(8, '\0')); }
// GET http://a/ of the static table, but for the authority.
std::string Get(uint32_t stream) { return Frame(1, 5, stream, "\x82\x86\x84\x41\x01\x61"); }

// Refuses every stream.
class Owner final : public Http2Session::Owner {
 public:
  Http2Stream* OnStreamOpened() override {
    ++opened;
    return nullptr;
  }
  void OnGoaway() override { ++goaways; }
  int opened = 0;
  int goaways = 0;
};

class Http2SessionTest : public testing::Test {
 protected:
  explicit Http2SessionTest() { session_.SetOutput(&out_); }
  bool Receive(absl::string_view bytes) {
    ChunkRef chunk = ChunkRef::Adopt(chunks_.Take());
    bytes.copy(chunk->data(), bytes.size());
    const char* data = chunk->data();
    return session_.Receive(Slice{std::move(chunk), data, bytes.size()}, common::MonotonicTime());
  }
  // The frames that it sends, as text.
  std::string Produced() {
    session_.Produce(1 << 20);
    std::string all;
    for (const Slice& slice : out_.slices()) all.append(slice.data, slice.size);
    out_.Clear();
    return all;
  }

  ChunkPool chunks_;
  OutQueue out_{&chunks_};
  Owner owner_;
  Http2Session session_{Http2Session::Role::kServer, Http2Limits{}, HeadLimits{}, &owner_};
};

TEST_F(Http2SessionTest, WantsMoreOfAPeerThatOpensStreams) {
  EXPECT_TRUE(Receive(absl::StrCat(kPreface, Settings(), Get(1))));
  EXPECT_EQ(owner_.opened, 1);
}

// What is read must not depend on whether it came with the frame before.
TEST_F(Http2SessionTest, ReadsNothingBehindTheEndOfAPeerThatSaidGoodbye) {
  EXPECT_FALSE(Receive(absl::StrCat(kPreface, Settings(), Goaway(), Goaway(), Get(1))));
  EXPECT_EQ(owner_.goaways, 1);
  EXPECT_EQ(owner_.opened, 0);
}

TEST_F(Http2SessionTest, TheEndIsNoFaultOfThePeer) {
  EXPECT_FALSE(Receive(absl::StrCat(kPreface, Settings(), Goaway(), Get(1))));
  const std::string produced = Produced();
  const std::string calm = {'\0', '\0', '\0', '\x0b'};  // ENHANCE_YOUR_CALM.
  EXPECT_EQ(produced.find(calm), std::string::npos);
}

}  // namespace
}  // namespace pointsman::gateway
