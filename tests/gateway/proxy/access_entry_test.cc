// What becomes of a record in the access log: which are chosen, and the line of one.

#include "gateway/proxy/access_entry.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gateway/proxy/access_sampler.h"
#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

constexpr common::MonotonicTime kNow = common::MonotonicTime::FromMicros(1'000'000);

std::string LineOf(const RequestRecord& record) {
  AccessEntry entry;
  FillAccessEntry(record, &entry);
  std::string line;
  AppendAccessLine(entry, absl::FromUnixMicros(1'700'000'000'123'456), &line);
  return line;
}

TEST(AccessEntryTest, WritesWhatIsKnown) {
  const common::Address endpoint = *common::ParseAddress("10.0.0.1:80");
  RequestRecord record;
  record.client = "192.0.2.1";
  record.peer = "10.0.0.9";
  record.method = "GET";
  record.authority = "a.example";
  record.target = "/x/y?token=secret";
  record.protocol = "1.1";
  record.service = "web";
  record.route = "all";
  record.endpoint = &endpoint;
  record.request_id = "0123456789abcdef";
  record.tls = "TLSv1.3";
  record.server_name = "a.example";
  record.status = 504;
  record.reason = Reason::kUpstreamTimeout;
  record.grpc_status = 4;
  record.tries = 2;
  record.received_bytes = 7;
  record.sent_bytes = 9;
  record.duration = absl::Milliseconds(3);
  record.first_byte = absl::Milliseconds(2);
  record.connect = absl::ZeroDuration();
  EXPECT_EQ(LineOf(record),
            "{\"time\":\"2023-11-14T22:13:20.123456Z\",\"client\":\"192.0.2.1\",\"peer\":"
            "\"10.0.0.9\",\"method\":\"GET\",\"authority\":\"a.example\",\"path\":\"/x/y\","
            "\"protocol\":\"1.1\",\"service\":\"web\",\"route\":\"all\",\"endpoint\":"
            "\"10.0.0.1:80\",\"request_id\":\"0123456789abcdef\",\"tls\":\"TLSv1.3\","
            "\"server_name\":\"a.example\",\"status\":504,\"reason\":\"upstream_timeout\","
            "\"grpc_status\":4,\"received_bytes\":7,\"sent_bytes\":9,\"duration_us\":3000,"
            "\"first_byte_us\":2000,\"connect_us\":0,\"tries\":2}\n");
}

TEST(AccessEntryTest, LeavesOutWhatThereWasNot) {
  RequestRecord record;
  record.client = record.peer = "192.0.2.1";
  EXPECT_EQ(LineOf(record),
            "{\"time\":\"2023-11-14T22:13:20.123456Z\",\"client\":\"192.0.2.1\",\"status\":0,"
            "\"received_bytes\":0,\"sent_bytes\":0,\"duration_us\":0,\"tries\":0}\n");
}

TEST(AccessEntryTest, EscapesWhatSomebodySent) {
  struct Case {
    std::string sent;
    std::string written;
  };
  const Case cases[] = {
      {"/\"},{\"x\":\"", "/\\\"},{\\\"x\\\":\\\""},
      {"/a\\b", "/a\\\\b"},
      {"/\n\r\t\x1b[2J", "/\\u000a\\u000d\\u0009\\u001b[2J"},
      {std::string("/\0\x7f", 3), "/\\u0000\\u007f"},
      {"/\xc2\x9b", "/\\u009b"},                    // C1.
      {"/\xc3\xa4", "/\xc3\xa4"},                   // Well-formed.
      {"/\xff\xc3", "/\\ufffd\\ufffd"},             // No UTF-8; cut short.
      {"/\xed\xa0\x80", "/\\ufffd\\ufffd\\ufffd"},  // A surrogate.
  };
  for (const Case& c : cases) {
    RequestRecord record;
    record.target = c.sent;
    EXPECT_TRUE(absl::StrContains(LineOf(record), absl::StrCat("\"path\":\"", c.written, "\",")))
        << LineOf(record);
  }
}

TEST(AccessEntryTest, CutsEachTextAtItsOwnBound) {
  const std::string longer(100'000, 'x');
  RequestRecord record;
  record.client = record.method = record.authority = record.target = record.protocol = longer;
  record.service = record.route = record.request_id = record.trace_id = record.tls = longer;
  record.peer = "192.0.2.1";
  record.server_name = longer;
  const std::string line = LineOf(record);
  EXPECT_TRUE(
      absl::StrContains(line, absl::StrCat("\"authority\":\"", std::string(128, 'x'),
                                           "\",\"path\":\"", std::string(512, 'x'), "\",")));
  EXPECT_TRUE(absl::StrContains(line, ",\"cut\":true}\n"));
  EXPECT_LT(line.size(), AccessEntry::kTextBytes + 512);
}

TEST(AccessSamplerTest, TakesAShareOfWhatWentWell) {
  RequestRecord good;
  good.status = 404;  // The endpoint's own answer.
  AccessSampler none(0, 10);
  AccessSampler quarter(0.25, 10);
  AccessSampler all(1, 10);
  EXPECT_EQ(none.Decide(good, 0), AccessSampler::Verdict::kSkip);
  EXPECT_EQ(quarter.Decide(good, (1U << 30) - 1), AccessSampler::Verdict::kWrite);
  EXPECT_EQ(quarter.Decide(good, 1U << 30), AccessSampler::Verdict::kSkip);
  EXPECT_EQ(all.Decide(good, UINT32_MAX), AccessSampler::Verdict::kWrite);
}

TEST(AccessSamplerTest, TakesFailuresUpToTheirBoundASecond) {
  RequestRecord failed;
  failed.status = 500;
  failed.ended = kNow;
  AccessSampler sampler(0, 2);
  EXPECT_EQ(sampler.Decide(failed, 9), AccessSampler::Verdict::kWrite);
  EXPECT_EQ(sampler.Decide(failed, 9), AccessSampler::Verdict::kWrite);
  EXPECT_EQ(sampler.Decide(failed, 9), AccessSampler::Verdict::kOverLimit);
  failed.ended = kNow + absl::Milliseconds(999);
  EXPECT_EQ(sampler.Decide(failed, 9), AccessSampler::Verdict::kOverLimit);
  failed.ended = kNow + absl::Seconds(1);
  EXPECT_EQ(sampler.Decide(failed, 9), AccessSampler::Verdict::kWrite);
}

TEST(AccessSamplerTest, KnowsFailures) {
  RequestRecord record;
  record.status = 200;
  EXPECT_FALSE(AccessSampler::Failed(record));
  record.grpc_status = 14;
  EXPECT_TRUE(AccessSampler::Failed(record));
  record.grpc_status = 5;  // NOT_FOUND: an answer.
  EXPECT_FALSE(AccessSampler::Failed(record));
  record.grpc_status = 1'000'000;
  EXPECT_FALSE(AccessSampler::Failed(record));
  record.reason = Reason::kNoRoute;
  EXPECT_TRUE(AccessSampler::Failed(record));
  EXPECT_TRUE(AccessSampler::Failed(RequestRecord{}));
}

}  // namespace
}  // namespace pointsman::gateway
