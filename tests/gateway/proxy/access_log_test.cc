// The access log's ring and writer, and what an engine with one says of real requests.

#include "gateway/proxy/access_log.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "tests/gateway/proxy/engine_fixture.h"
#include "tests/gateway/proxy/http2_peer.h"
#include "tests/gateway/proxy/raw_frames.h"
#include "tests/gateway/proxy/tls_peers.h"

namespace pointsman::gateway {
namespace {

TEST(AccessRingTest, RefusesWhenFullAndGoesOnWhenRead) {
  AccessRing ring(2);
  EXPECT_EQ(ring.Front(), nullptr);
  for (int32_t i = 0; i < 2; ++i) {
    ring.Place()->status = i;
    ring.Push();
  }
  EXPECT_EQ(ring.Place(), nullptr);
  ASSERT_NE(ring.Front(), nullptr);
  EXPECT_EQ(ring.Front()->status, 0);
  ring.Pop();
  ASSERT_NE(ring.Place(), nullptr);
  ring.Place()->status = 2;
  ring.Push();
  EXPECT_EQ(ring.Place(), nullptr);
  for (int32_t i = 1; i < 3; ++i) {
    EXPECT_EQ(ring.Front()->status, i);
    ring.Pop();
  }
  EXPECT_EQ(ring.Front(), nullptr);
}

TEST(AccessRingTest, HandsOverInOrderBetweenThreads) {
  constexpr int32_t kEntries = 100'000;
  AccessRing ring(64);
  std::thread producer([&ring] {
    for (int32_t i = 0; i < kEntries;) {
      AccessEntry* entry = ring.Place();
      if (entry == nullptr) {
        std::this_thread::yield();
        continue;
      }
      entry->status = i++;
      entry->text[0] = static_cast<char>(entry->status);
      ring.Push();
    }
  });
  for (int32_t i = 0; i < kEntries;) {
    const AccessEntry* entry = ring.Front();
    if (entry == nullptr) {
      std::this_thread::yield();
      continue;
    }
    ASSERT_EQ(entry->status, i);
    ASSERT_EQ(entry->text[0], static_cast<char>(i));
    ring.Pop();
    ++i;
  }
  producer.join();
}

class AccessLogTest : public EngineFixture {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/pm-access-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    folder_ = folder;
    log_options_.path = folder_ + "/access.log";
    log_options_.clock = &common::SystemClock();
    log_options_.on_change = [this](const absl::Status& status) {
      (status.ok() ? recoveries_ : failures_).fetch_add(1);
    };
  }
  void TearDown() override {
    EngineFixture::TearDown();
    log_.reset();
    for (const char* name : {"/access.log", "/old.log"}) unlink((folder_ + name).c_str());
    rmdir(folder_.c_str());
  }

  AccessLog& Log() {
    if (log_ == nullptr) {
      log_options_.workers = workers;
      auto log = AccessLog::Open(log_options_);
      PM_CHECK(log.ok());
      log_ = *std::move(log);
    }
    return *log_;
  }
  std::vector<std::string> Lines(const std::string& name = "/access.log") const {
    std::ifstream file(folder_ + name);
    std::stringstream text;
    text << file.rdbuf();
    return absl::StrSplit(text.str(), '\n', absl::SkipEmpty());
  }
  bool WaitForLines(uint64_t count) {
    return WaitFor([&] { return Log().Stats().lines >= count; });
  }
  static RequestRecord Good() {
    RequestRecord record;
    record.status = 200;
    record.target = "/good";
    record.ended = common::SystemClock().Now();
    return record;
  }

  std::string folder_;
  AccessLogOptions log_options_;
  std::atomic<int> failures_{0};
  std::atomic<int> recoveries_{0};
  std::unique_ptr<AccessLog> log_;
};

TEST_F(AccessLogTest, WritesWhatIsLeftAtItsEnd) {
  for (int i = 0; i < 100; ++i) Log().OnRequest(Good());
  log_.reset();
  EXPECT_EQ(Lines().size(), 100u);
}

TEST_F(AccessLogTest, LosesLinesWhenTheRingIsFull) {
  log_options_.ring_entries = 1;
  // Until the writer comes round there is room for one.
  uint64_t told = 0;
  while (Log().Stats().lost_ring_full == 0) {
    Log().OnRequest(Good());
    ++told;
  }
  ASSERT_TRUE(WaitFor([&] {
    const AccessLogStats stats = Log().Stats();
    return stats.lines + stats.lost_ring_full == told;
  }));
}

TEST_F(AccessLogTest, CountsAndTellsWhatAFullDiskRefuses) {
  log_options_.path = "/dev/full";
  for (int i = 0; i < 10; ++i) Log().OnRequest(Good());
  ASSERT_TRUE(WaitFor([&] { return Log().Stats().lost_write == 10; }));
  Log().OnRequest(Good());
  ASSERT_TRUE(WaitFor([&] { return Log().Stats().lost_write == 11; }));
  EXPECT_EQ(failures_.load(), 1);  // Told once.
  EXPECT_EQ(Log().Stats().lines, 0u);
}

TEST_F(AccessLogTest, GoesOnInANewFileAfterRotation) {
  Log().OnRequest(Good());
  ASSERT_TRUE(WaitForLines(1));
  ASSERT_EQ(rename((folder_ + "/access.log").c_str(), (folder_ + "/old.log").c_str()), 0);
  Log().Reopen();
  ASSERT_TRUE(WaitFor([&] { return access((folder_ + "/access.log").c_str(), F_OK) == 0; }));
  Log().OnRequest(Good());
  ASSERT_TRUE(WaitForLines(2));
  EXPECT_EQ(Lines("/old.log").size(), 1u);
  EXPECT_EQ(Lines().size(), 1u);
  EXPECT_EQ(recoveries_.load(), 0) << "nothing had failed";
}

TEST_F(AccessLogTest, RefusesAFileThatCannotBeOpened) {
  log_options_.path = folder_;
  EXPECT_EQ(AccessLog::Open(log_options_).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(AccessLogTest, SaysWhatBecameOfARequest) {
  observer = &Log();
  std::string traced;
  ScriptedUpstream upstream(Answering([&traced](const TestMessage& request) {
    traced = absl::StrCat(request.Field("traceparent"), " ", request.Field("tracestate"));
    return Ok("hello");
  }));
  Publish({upstream.port()});
  Peer client = Client();
  const std::string trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  client.Write(absl::StrCat("POST /a%20b?c=d HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\n",
                            "traceparent: ", trace, "\r\ntracestate: a=b\r\n\r\nabc"));
  ASSERT_EQ(client.ReadMessage().status(), 200);
  EXPECT_EQ(traced, absl::StrCat(trace, " a=b"));
  ASSERT_TRUE(WaitForLines(1));
  const std::vector<std::string> lines = Lines();
  ASSERT_EQ(lines.size(), 1u);
  for (const std::string& part :
       {std::string("\"client\":\"127.0.0.1\",\"method\":\"POST\",\"authority\":\"a.example\""),
        std::string("\"path\":\"/a%20b\",\"protocol\":\"1.1\",\"service\":\"web\""),
        absl::StrCat("\"route\":\"all\",\"endpoint\":\"127.0.0.1:", upstream.port(), "\""),
        std::string("\"status\":200,\"received_bytes\":3,\"sent_bytes\":5,\"duration_us\":"),
        std::string("\"tries\":1}"),
        std::string("\"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\""),
        std::string("\"first_byte_us\":"), std::string("\"connect_us\":"),
        std::string("\"request_id\":\"")}) {
    EXPECT_TRUE(absl::StrContains(lines[0], part)) << part << "\n" << lines[0];
  }
}

TEST_F(AccessLogTest, NoFirstByteIsAfterTheEnd) {
  observer = &Log();
  ScriptedUpstream upstream(Answering([](const TestMessage&) { return Ok("x"); }));
  Publish({upstream.port()});
  Peer client = Client();
  for (int i = 0; i < 200; ++i) {
    client.Write("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    ASSERT_EQ(client.ReadMessage().status(), 200);
  }
  ASSERT_TRUE(WaitForLines(200));
  const auto number = [](absl::string_view line, absl::string_view name) {
    const size_t at = line.find(name);
    PM_CHECK(at != absl::string_view::npos);
    return std::strtoll(line.data() + at + name.size(), nullptr, 10);
  };
  for (const std::string& line : Lines()) {
    EXPECT_LE(number(line, "\"first_byte_us\":"), number(line, "\"duration_us\":")) << line;
  }
}

TEST_F(AccessLogTest, AlwaysLogsFailures) {
  log_options_.sample = 0;
  observer = &Log();
  policy.max_retries = 0;
  ScriptedUpstream upstream(Answering([](const TestMessage&) { return Ok("x"); }));
  Publish({upstream.port()});
  Peer client = Client();
  client.Write("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
  ASSERT_EQ(client.ReadMessage().status(), 200);
  Publish({DeadPort()});
  client.Write("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
  ASSERT_EQ(client.ReadMessage().status(), 503);
  ASSERT_TRUE(WaitForLines(1));
  const std::vector<std::string> lines = Lines();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_TRUE(absl::StrContains(lines[0], "\"status\":503,\"reason\":\"connect_failed\""))
      << lines[0];
  EXPECT_FALSE(absl::StrContains(lines[0], "first_byte_us")) << lines[0];
}

TEST_F(AccessLogTest, SaysWhoSentWhatWasRefused) {
  observer = &Log();
  ScriptedUpstream upstream(Answering([](const TestMessage&) { return Ok("good"); }));
  Publish({upstream.port()});
  Peer client = Client();
  client.Write("GET / HTTP/1.1\r\nHost: a\r\nbad header\r\n\r\n");
  EXPECT_EQ(client.ReadMessage().status(), 400);
  Peer idle = Client();
  idle.Close();  // Says nothing, and nothing is said of it.
  Peer peer = Client();
  Http2Peer http2(Http2Peer::Side::kClient, &peer);
  H2Fields many = Http2Peer::Get();
  for (int i = 0; i < 200; ++i) many.emplace_back(absl::StrCat("x-", i), "1");
  http2.Await(http2.Request(many));
  ASSERT_TRUE(WaitForLines(2));
  const std::vector<std::string> lines = Lines();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_TRUE(absl::StrContains(lines[0], "\"reason\":\"bad_header\"")) << lines[0];
  EXPECT_TRUE(absl::StrContains(lines[0], "\"client\":\"127.0.0.1\"")) << lines[0];
  EXPECT_TRUE(absl::StrContains(lines[0], "\"status\":400")) << lines[0];
  EXPECT_TRUE(absl::StrContains(lines[1], "\"protocol\":\"2\"")) << lines[1];
  EXPECT_TRUE(absl::StrContains(lines[1], "\"reason\":\"too_many_fields\"")) << lines[1];
}

TEST_F(AccessLogTest, SaysWhichHttp2RequestsBrokeTheRules) {
  observer = &Log();
  Publish({DeadPort()});
  Peer socket = Client();
  // Before its head is whole (a name in upper case), and within its body (longer than it said).
  socket.Write(absl::StrCat(kHttp2Preface, RawFrame(kFrameSettings, 0, 0, ""),
                            RawHeaders(1, RawGet({{"Upper", "1"}})),
                            RawHeaders(3, RawGet({{"content-length", "1"}}), /*end=*/false),
                            RawFrame(kFrameData, kFlagEndStream, 3, "12")));
  ASSERT_TRUE(WaitForLines(2));
  socket.ShutdownBoth();
  for (const std::string& line : Lines()) {
    EXPECT_TRUE(absl::StrContains(line, "\"reason\":\"stream_error\"")) << line;
    EXPECT_TRUE(absl::StrContains(line, "\"client\":\"127.0.0.1\"")) << line;
  }
  EXPECT_EQ(engine().Stats().reasons[static_cast<size_t>(Reason::kStreamError)], 2u);
}

TEST_F(AccessLogTest, SaysTheStatusOfGrpc) {
  observer = &Log();
  policy.upstream_http2 = true;
  ScriptedUpstream upstream(Http2Answering([](const H2Message&) {
    return H2Answer{
        {{":status", "200"}, {"content-type", "application/grpc"}}, "", {{"grpc-status", "5"}}};
  }));
  Publish({upstream.port()});
  Peer socket = Client();
  Http2Peer client(Http2Peer::Side::kClient, &socket);
  const H2Fields call = {{":method", "POST"},         {":scheme", "http"},
                         {":authority", "a.example"}, {":path", "/pkg.Service/Method"},
                         {"te", "trailers"},          {"content-type", "application/grpc"}};
  EXPECT_EQ(client.Await(client.Request(call, std::string(5, '\0'))).status(), 200);
  ASSERT_TRUE(WaitForLines(1));
  const std::string line = Lines()[0];
  EXPECT_TRUE(absl::StrContains(line, "\"protocol\":\"2\"")) << line;
  EXPECT_TRUE(absl::StrContains(line, "\"grpc_status\":5")) << line;
}

TEST_F(AccessLogTest, SaysWhatTlsAgreedOn) {
  TlsPeers peers;
  listener_tls.emplace();
  listener_tls->certificates = {peers.Certificate("a", "DNS:a.example")};
  observer = &Log();
  ScriptedUpstream upstream(Answering([](const TestMessage&) { return Ok("x"); }));
  Publish({upstream.port()});
  Peer client = Client();
  const SslContext context = peers.ClientContext();
  ASSERT_TRUE(client.StartTls(context.get(), "a.example"));
  client.Write("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
  ASSERT_EQ(client.ReadMessage().status(), 200);
  ASSERT_TRUE(WaitForLines(1));
  EXPECT_TRUE(absl::StrContains(Lines()[0], "\"tls\":\"TLSv1.3\",\"server_name\":\"a.example\""))
      << Lines()[0];
}

}  // namespace
}  // namespace pointsman::gateway
