// The prober against real sockets.

#include "agent/probe/prober.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "common/clock.h"
#include "gtest/gtest.h"
#include "tests/agent/scripted_server.h"

namespace pointsman::agent {
namespace {

using testing::Answer;
using testing::Ok;
using testing::ScriptedServer;

class ProberTest : public ::testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<std::unique_ptr<Prober>> prober = Prober::Create(common::SystemClock());
    ASSERT_TRUE(prober.ok());
    prober_ = *std::move(prober);
  }

  RunResult Probe(const std::string& address, const v1::HealthCheck& check,
                  absl::Duration timeout = absl::Seconds(5)) {
    prober_->StartProbe({.token = 1,
                         .address = address,
                         .what = std::make_shared<const v1::HealthCheck>(check),
                         .timeout = timeout});
    return Await().probes.at(0).run;
  }

  absl::StatusOr<std::string> Fetch(const std::string& url) {
    prober_->StartFetch({.token = 2, .url = url, .timeout = absl::Seconds(5)});
    return Await().fetches.at(0).body;
  }

  ProberResults Await() {
    const common::MonotonicTime deadline = common::SystemClock().Now() + absl::Seconds(20);
    while (common::SystemClock().Now() < deadline) {
      ProberResults results = prober_->Poll(absl::Seconds(1), -1);
      if (!results.probes.empty() || !results.fetches.empty()) return results;
    }
    ADD_FAILURE() << "no result";
    return {.probes = {{}}, .fetches = {{0, absl::UnavailableError("")}}};
  }

  std::unique_ptr<Prober> prober_;
};

v1::HealthCheck Http() {
  v1::HealthCheck check;
  check.mutable_http()->set_path("/health?full=1");
  return check;
}

v1::HealthCheck Tcp(const std::string& send = "", const std::string& expect = "") {
  v1::HealthCheck check;
  check.mutable_tcp()->set_send(send);
  check.mutable_tcp()->set_expect(expect);
  return check;
}

TEST_F(ProberTest, SendsTheRequestAsAskedAndPasses) {
  std::string head;
  ScriptedServer server([&head](ScriptedServer& self, int fd) {
    head = self.ReadHead(fd);
    self.Send(fd, Ok("fine"));
  });
  v1::HealthCheck check = Http();
  check.mutable_http()->set_host("web.example.org");
  (*check.mutable_http()->mutable_headers())["X-Probe"] = "yes";
  const RunResult run = Probe(server.address(), check);
  EXPECT_TRUE(run.passed()) << run.detail;
  EXPECT_EQ(run.http_status, 200u);
  EXPECT_GT(run.latency, absl::ZeroDuration());
  EXPECT_TRUE(absl::StartsWith(head, "GET /health?full=1 HTTP/1.1\r\n")) << head;
  EXPECT_TRUE(absl::StrContains(head, "\r\nHost: web.example.org\r\n")) << head;
  EXPECT_TRUE(absl::StrContains(head, "\r\nX-Probe: yes\r\n")) << head;
}

TEST_F(ProberTest, HeadIsAskedWithoutABody) {
  ScriptedServer server(Answer("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"));
  v1::HealthCheck check = Http();
  check.mutable_http()->set_method("HEAD");
  EXPECT_TRUE(Probe(server.address(), check).passed());
}

TEST_F(ProberTest, NobodyListensIsRefused) {
  std::string address;
  {
    ScriptedServer server(Answer(""));
    address = server.address();
  }
  EXPECT_EQ(Probe(address, Http()).failure, v1::CHECK_FAILURE_REFUSED);
  EXPECT_EQ(Probe(address, Tcp()).failure, v1::CHECK_FAILURE_REFUSED);
}

TEST_F(ProberTest, ResetAndCloseWithoutAnswerAreResets) {
  ScriptedServer resets([](ScriptedServer& self, int fd) {
    self.ReadHead(fd);
    ScriptedServer::ResetOnClose(fd);
  });
  EXPECT_EQ(Probe(resets.address(), Http()).failure, v1::CHECK_FAILURE_RESET);
  ScriptedServer closes(Answer(""));
  EXPECT_EQ(Probe(closes.address(), Http()).failure, v1::CHECK_FAILURE_RESET);
  ScriptedServer stops_early(Answer("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"));
  EXPECT_EQ(Probe(stops_early.address(), Http()).failure, v1::CHECK_FAILURE_RESET);
}

TEST_F(ProberTest, SilenceIsATimeout) {
  ScriptedServer server([](ScriptedServer& self, int fd) { self.Swallow(fd); });
  const RunResult run = Probe(server.address(), Http(), absl::Milliseconds(50));
  EXPECT_EQ(run.failure, v1::CHECK_FAILURE_TIMEOUT);
  EXPECT_GE(run.latency, absl::Milliseconds(49));
}

TEST_F(ProberTest, ASlowAnswerPassesAndIsDegradedByItsLatency) {
  ScriptedServer server([](ScriptedServer& self, int fd) {
    self.ReadHead(fd);
    self.Dawdle(40);
    self.Send(fd, Ok("fine"));
  });
  v1::HealthCheck check = Http();
  check.mutable_degraded_after()->set_nanos(20'000'000);
  check.set_rise(1);
  const RunResult run = Probe(server.address(), check);
  EXPECT_TRUE(run.passed());
  EXPECT_GE(run.latency, absl::Milliseconds(40));
  CheckMachine machine;
  machine.Observe(MakeCheckSpec(check), run, {});
  EXPECT_EQ(machine.status(), v1::CHECK_STATUS_DEGRADED);
}

TEST_F(ProberTest, StatusesAreJudgedByTheSet) {
  ScriptedServer server(Answer("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"));
  v1::HealthCheck check = Http();
  const RunResult run = Probe(server.address(), check);
  EXPECT_EQ(run.failure, v1::CHECK_FAILURE_STATUS);
  EXPECT_EQ(run.http_status, 404u);
  check.mutable_http()->add_statuses("204");
  check.mutable_http()->add_statuses("400-404");
  EXPECT_TRUE(Probe(server.address(), check).passed());
}

TEST_F(ProberTest, RedirectsAreNotFollowed) {
  ScriptedServer server(Answer("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"));
  const RunResult run = Probe(server.address(), Http());
  EXPECT_EQ(run.failure, v1::CHECK_FAILURE_STATUS);
  EXPECT_EQ(run.http_status, 302u);
}

TEST_F(ProberTest, HeadersAreJudged) {
  ScriptedServer server(Answer(Ok("", "X-State:  ready-7 \r\n")));
  v1::HealthCheck check = Http();
  v1::HeaderMatch* match = check.mutable_http()->mutable_response_header();
  match->set_name("x-state");
  EXPECT_TRUE(Probe(server.address(), check).passed());
  match->set_exact("ready-7");
  EXPECT_TRUE(Probe(server.address(), check).passed());
  match->set_exact("ready");
  EXPECT_EQ(Probe(server.address(), check).failure, v1::CHECK_FAILURE_HEADER);
  match->set_prefix("ready");
  EXPECT_TRUE(Probe(server.address(), check).passed());
  match->set_matches("ready-[0-9]+");
  EXPECT_TRUE(Probe(server.address(), check).passed());
  match->set_matches("ready");
  EXPECT_EQ(Probe(server.address(), check).failure, v1::CHECK_FAILURE_HEADER);
  match->set_present(false);
  EXPECT_EQ(Probe(server.address(), check).failure, v1::CHECK_FAILURE_HEADER);
  match->set_name("X-Other");
  EXPECT_TRUE(Probe(server.address(), check).passed());
  match->set_present(true);
  EXPECT_EQ(Probe(server.address(), check).failure, v1::CHECK_FAILURE_HEADER);
}

TEST_F(ProberTest, BodiesAreJudged) {
  ScriptedServer server(Answer(Ok("state=ready load=3")));
  v1::HealthCheck check = Http();
  check.mutable_http()->set_body_contains("ready");
  check.mutable_http()->set_body_matches("load=[0-9]");
  EXPECT_TRUE(Probe(server.address(), check).passed());
  check.mutable_http()->set_body_matches("load=[5-9]");
  EXPECT_EQ(Probe(server.address(), check).failure, v1::CHECK_FAILURE_BODY);
  check.mutable_http()->set_body_contains("steady");
  EXPECT_EQ(Probe(server.address(), check).failure, v1::CHECK_FAILURE_BODY);
  check.mutable_http()->clear_body_contains();
  check.mutable_http()->set_body_matches("(");
  EXPECT_EQ(Probe(server.address(), check).failure, v1::CHECK_FAILURE_PROTOCOL);
}

TEST_F(ProberTest, OnlyTheBeginningOfALargeBodyIsRead) {
  const std::string large = "ready" + std::string(10 << 20, 'x') + "late";
  ScriptedServer server(Answer(Ok(large)));
  v1::HealthCheck check = Http();
  check.mutable_http()->set_body_contains("ready");
  EXPECT_TRUE(Probe(server.address(), check).passed());
  check.mutable_http()->set_body_contains("late");
  EXPECT_EQ(Probe(server.address(), check).failure, v1::CHECK_FAILURE_BODY);
  const absl::StatusOr<std::string> body = Fetch("http://" + server.address() + "/");
  EXPECT_TRUE(absl::IsResourceExhausted(body.status())) << body.status().message();
}

TEST_F(ProberTest, NonsenseIsAProtocolFailure) {
  ScriptedServer server(Answer("\x01\x02 nonsense\r\n\r\n"));
  EXPECT_EQ(Probe(server.address(), Http()).failure, v1::CHECK_FAILURE_PROTOCOL);
}

TEST_F(ProberTest, RequestsThatCannotBeMadeFailWithoutASocket) {
  v1::HealthCheck check = Http();
  (*check.mutable_http()->mutable_headers())["X-A"] = "b\r\nX-Evil: 1";
  EXPECT_EQ(Probe("127.0.0.1:1", check).failure, v1::CHECK_FAILURE_PROTOCOL);
  check = Http();
  check.mutable_http()->set_path("/a b");
  EXPECT_EQ(Probe("127.0.0.1:1", check).failure, v1::CHECK_FAILURE_PROTOCOL);
  EXPECT_EQ(Probe("not an address", Http()).failure, v1::CHECK_FAILURE_PROTOCOL);
  EXPECT_EQ(prober_->active(), 0u);
}

TEST_F(ProberTest, AnUnknownNameIsANameFailure) {
  EXPECT_EQ(Probe("no-such-name.invalid:80", Http(), absl::Seconds(15)).failure,
            v1::CHECK_FAILURE_NAME);
}

TEST_F(ProberTest, TcpConnectsTalksAndListens) {
  ScriptedServer server([](ScriptedServer& self, int fd) {
    char buffer[4];
    if (self.WaitReadable(fd) && read(fd, buffer, 4) == 4) {
      self.Send(fd, "+PO");
      self.Dawdle(5);  // In two pieces.
      self.Send(fd, "NG\r\n");
    }
    self.Swallow(fd);
  });
  EXPECT_TRUE(Probe(server.address(), Tcp()).passed());
  EXPECT_TRUE(Probe(server.address(), Tcp("PING")).passed());
  EXPECT_TRUE(Probe(server.address(), Tcp("PING", "+PONG")).passed());
  v1::HealthCheck in_digits;
  in_digits.mutable_tcp()->set_send_hex("50494E47");
  in_digits.mutable_tcp()->set_expect_hex("2b504f4e47");
  EXPECT_TRUE(Probe(server.address(), in_digits).passed());
  in_digits.mutable_tcp()->set_expect_hex("2b504f4e48");
  EXPECT_FALSE(Probe(server.address(), in_digits, absl::Milliseconds(60)).passed());
  in_digits.mutable_tcp()->set_send_hex("5");
  EXPECT_FALSE(Probe(server.address(), in_digits).passed());
  EXPECT_EQ(Probe(server.address(), Tcp("PING", "-ERR"), absl::Milliseconds(60)).failure,
            v1::CHECK_FAILURE_TIMEOUT);
}

TEST_F(ProberTest, TcpEndsWhenThePeerDoesOrSaysTooMuch) {
  ScriptedServer closes([](ScriptedServer& self, int fd) { self.Send(fd, "busy"); });
  EXPECT_EQ(Probe(closes.address(), Tcp("", "ready")).failure, v1::CHECK_FAILURE_BODY);
  ScriptedServer talks(
      [](ScriptedServer& self, int fd) { self.Send(fd, std::string(100'000, 'x')); });
  EXPECT_EQ(Probe(talks.address(), Tcp("", "ready")).failure, v1::CHECK_FAILURE_BODY);
  ScriptedServer resets([](ScriptedServer& self, int fd) {
    char c;
    if (self.WaitReadable(fd)) [[maybe_unused]]
      const ssize_t n = read(fd, &c, 1);
    ScriptedServer::ResetOnClose(fd);
  });
  EXPECT_EQ(Probe(resets.address(), Tcp("xy", "ready")).failure, v1::CHECK_FAILURE_RESET);
}

TEST_F(ProberTest, UnixSocketsAreChecked) {
  char folder[] = "/tmp/pm-prober-XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  const std::string path = absl::StrCat(folder, "/s");
  {
    ScriptedServer server(Answer(Ok("fine")), path);
    EXPECT_TRUE(Probe(server.address(), Http()).passed());
    EXPECT_TRUE(Probe(server.address(), Tcp()).passed());
  }
  unlink(path.c_str());
  EXPECT_EQ(Probe("unix:" + path, Tcp()).failure, v1::CHECK_FAILURE_REFUSED);
  rmdir(folder);
}

TEST_F(ProberTest, AnotherPortIsUsedWhenAsked) {
  ScriptedServer server(Answer(Ok("fine")));
  v1::HealthCheck check = Http();
  check.mutable_http()->set_port(
      static_cast<uint32_t>(std::stoi(server.address().substr(server.address().find(':') + 1))));
  EXPECT_TRUE(Probe("127.0.0.1:1", check).passed());
}

TEST_F(ProberTest, ManyRunAtOnce) {
  ScriptedServer server(Answer(Ok("fine")));
  const auto check = std::make_shared<const v1::HealthCheck>(Http());
  for (uint64_t token = 1; token <= 50; ++token) {
    prober_->StartProbe({token, server.address(), check, absl::Seconds(10)});
  }
  std::vector<uint64_t> tokens;
  while (tokens.size() < 50) {
    const ProberResults results = Await();
    ASSERT_FALSE(results.probes.empty());
    for (const ProbeDoneInput& probe : results.probes) {
      EXPECT_TRUE(probe.run.passed()) << probe.run.detail;
      tokens.push_back(probe.token);
    }
  }
  std::sort(tokens.begin(), tokens.end());
  EXPECT_EQ(std::unique(tokens.begin(), tokens.end()), tokens.end());
  EXPECT_EQ(prober_->active(), 0u);
}

TEST_F(ProberTest, WakeupEndsAPoll) {
  prober_->Wakeup();
  const common::MonotonicTime start = common::SystemClock().Now();
  prober_->Poll(absl::Seconds(10), -1);
  EXPECT_LT(common::SystemClock().Now() - start, absl::Seconds(5));
}

// A self-signed certificate for nobody.
class TlsContext {
 public:
  TlsContext() : context_(SSL_CTX_new(TLS_server_method())) {
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* cert = X509_new();
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), 0);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, key);
    X509_sign(cert, key, EVP_sha256());
    PM_CHECK(SSL_CTX_use_certificate(context_, cert) == 1);
    PM_CHECK(SSL_CTX_use_PrivateKey(context_, key) == 1);
    X509_free(cert);
    EVP_PKEY_free(key);
  }
  ~TlsContext() { SSL_CTX_free(context_); }
  void Serve(int fd, const std::string& answer) {
    SSL* ssl = SSL_new(context_);
    SSL_set_fd(ssl, fd);
    char buffer[1024];
    const bool accepted = SSL_accept(ssl) == 1;
    const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    server_name_ = name == nullptr ? "" : name;
    if (accepted && SSL_read(ssl, buffer, sizeof(buffer)) > 0) {
      SSL_write(ssl, answer.data(), static_cast<int>(answer.size()));
      SSL_shutdown(ssl);
    }
    SSL_free(ssl);
  }
  // What the last client asked for. Read when its transfer has ended.
  const std::string& server_name() const { return server_name_; }

 private:
  std::string server_name_;
  SSL_CTX* context_;
};

TEST_F(ProberTest, CertificatesAreVerifiedUnlessToldOtherwise) {
  TlsContext tls;
  ScriptedServer server([&tls](ScriptedServer&, int fd) { tls.Serve(fd, Ok("fine")); });
  v1::HealthCheck check = Http();
  check.mutable_http()->set_tls(true);
  const RunResult run = Probe(server.address(), check);
  EXPECT_EQ(run.failure, v1::CHECK_FAILURE_TLS) << run.detail;
  check.mutable_http()->set_tls_insecure(true);
  const RunResult insecure = Probe(server.address(), check);
  EXPECT_TRUE(insecure.passed()) << insecure.detail;
}

TEST_F(ProberTest, TlsAsksForTheHostThatTheCheckNames) {
  TlsContext tls;
  ScriptedServer server([&tls](ScriptedServer&, int fd) { tls.Serve(fd, Ok("fine")); });
  v1::HealthCheck check = Http();
  check.mutable_http()->set_tls(true);
  check.mutable_http()->set_tls_insecure(true);
  check.mutable_http()->set_host("web.example.org:8443");
  const RunResult run = Probe(server.address(), check);
  EXPECT_TRUE(run.passed()) << run.detail;
  EXPECT_EQ(tls.server_name(), "web.example.org");
  check.mutable_http()->set_host("user@web.example.org");
  EXPECT_EQ(Probe(server.address(), check).failure, v1::CHECK_FAILURE_PROTOCOL);
}

TEST_F(ProberTest, TlsToAPlainServerIsATlsFailure) {
  ScriptedServer server(Answer(Ok("fine")));
  v1::HealthCheck check = Http();
  check.mutable_http()->set_tls(true);
  ScriptedServer plain([](ScriptedServer& self, int fd) {
    char c;
    if (self.WaitReadable(fd) && read(fd, &c, 1) == 1) self.Send(fd, "HTTP/1.1 400 No\r\n\r\n");
  });
  EXPECT_EQ(Probe(plain.address(), check).failure, v1::CHECK_FAILURE_TLS);
}

TEST_F(ProberTest, FetchesMetricsAndRefusesErrors) {
  ScriptedServer good(Answer(Ok("{\"in_flight\": 1}")));
  const absl::StatusOr<std::string> body = Fetch("http://" + good.address() + "/metrics.json");
  ASSERT_TRUE(body.ok()) << body.status().message();
  EXPECT_EQ(*body, "{\"in_flight\": 1}");
  ScriptedServer bad(Answer("HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\n{}"));
  EXPECT_TRUE(absl::IsUnavailable(Fetch("http://" + bad.address() + "/").status()));
  EXPECT_FALSE(Fetch("file:///etc/passwd").ok());
}

}  // namespace
}  // namespace pointsman::agent
