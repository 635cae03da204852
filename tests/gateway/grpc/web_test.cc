#include "gateway/grpc/web.h"

#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

const std::string kHi("\0\0\0\0\2hi", 7);

TEST(GrpcWebTest, KnowsItsContentTypes) {
  EXPECT_EQ(GrpcWebKindOf("application/grpc-web"), GrpcWebKind::kBinary);
  EXPECT_EQ(GrpcWebKindOf("Application/gRPC-Web+proto"), GrpcWebKind::kBinary);
  EXPECT_EQ(GrpcWebKindOf("application/grpc-web; charset=utf-8"), GrpcWebKind::kBinary);
  EXPECT_EQ(GrpcWebKindOf("application/grpc-web-text"), GrpcWebKind::kText);
  EXPECT_EQ(GrpcWebKindOf("application/grpc-web-text+json"), GrpcWebKind::kText);
  for (const char* other : {"", "application/grpc", "application/grpc+proto", "text/plain",
                            "application/grpc-webs", "application/grpc-web-texts"}) {
    EXPECT_EQ(GrpcWebKindOf(other), GrpcWebKind::kNone) << other;
  }
}

TEST(GrpcWebTest, NamesTheOtherSidesType) {
  EXPECT_EQ(GrpcTypeOf("application/grpc-web"), "application/grpc");
  EXPECT_EQ(GrpcTypeOf("application/grpc-web+proto; a=b"), "application/grpc+proto");
  EXPECT_EQ(GrpcTypeOf("application/grpc-web-text+json"), "application/grpc+json");
  EXPECT_EQ(GrpcWebTypeOf(GrpcWebKind::kBinary, "application/grpc"), "application/grpc-web");
  EXPECT_EQ(GrpcWebTypeOf(GrpcWebKind::kText, "application/grpc+proto"),
            "application/grpc-web-text+proto");
}

TEST(GrpcWebTest, WritesTrailersAsAFrame) {
  HeaderBlock block;
  const auto add = [&block](absl::string_view name, absl::string_view value) {
    block.AddField({.name = block.Keep(name), .value = block.Keep(value)});
  };
  add("content-type", "application/grpc");
  EXPECT_EQ(GrpcWebTrailerFrame(block), "");
  block.BeginTrailers();
  add("grpc-status", "5");
  add("grpc-message", "gone");
  const std::string lines = "grpc-status: 5\r\ngrpc-message: gone\r\n";
  EXPECT_EQ(GrpcWebTrailerFrame(block), absl::StrCat(std::string("\x80\0\0\0\x24", 5), lines));
  EXPECT_EQ(lines.size(), 0x24u);
}

TEST(GrpcWebTest, ReadsBase64HoweverItIsCut) {
  std::string bytes;
  for (int i = 0; i < 50; ++i) bytes.push_back(static_cast<char>(i * 7));
  // Two pieces, each padded for itself.
  const std::string text = absl::StrCat(absl::Base64Escape(bytes), absl::Base64Escape("tail"));
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    for (size_t second = cut; second <= text.size(); second += 3) {
      Base64Reader reader;
      std::string out;
      ASSERT_TRUE(reader.Feed(text.substr(0, cut), &out));
      ASSERT_TRUE(reader.Feed(text.substr(cut, second - cut), &out));
      ASSERT_TRUE(reader.Feed(text.substr(second), &out));
      ASSERT_EQ(out, bytes + "tail") << cut << " " << second;
      ASSERT_TRUE(reader.at_border());
    }
  }
}

TEST(GrpcWebTest, RefusesWhatIsNoBase64) {
  for (const char* text : {"AA A", "AAA\n", "A===", "=AAA", "AA=A", "AAA-", "\x80zzz"}) {
    Base64Reader reader;
    std::string out;
    EXPECT_FALSE(reader.Feed(text, &out)) << text;
  }
  Base64Reader reader;
  std::string out;
  EXPECT_TRUE(reader.Feed("AAAAA", &out));
  EXPECT_FALSE(reader.at_border());
}

TEST(GrpcWebTest, NeverHoldsAWholeMessageBack) {
  for (size_t cut = 0; cut <= kHi.size(); ++cut) {
    Base64Writer writer;
    std::string out;
    writer.Feed(kHi.substr(0, cut), &out);
    writer.Feed(kHi.substr(cut), &out);
    Base64Reader reader;
    std::string bytes;
    ASSERT_TRUE(reader.Feed(out, &bytes));
    EXPECT_EQ(bytes, kHi) << cut;
    writer.Finish("end", &out);
    bytes.clear();
    ASSERT_TRUE(Base64Reader().Feed(out, &bytes));
    EXPECT_EQ(bytes, kHi + "end");
  }
}

}  // namespace
}  // namespace pointsman::gateway
