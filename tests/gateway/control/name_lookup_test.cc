// c-ares against a DNS server of a few lines on a real port.

#include "gateway/control/name_lookup.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "common/core/check.h"
#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

constexpr uint16_t kTypeA = 1;
constexpr uint16_t kTypeAaaa = 28;

// Answers A and AAAA of the names that a test sets, NXDOMAIN for others, nothing for "silent.*" and
// no AAAA for "half.*".
class DnsServer {
 public:
  DnsServer() : fd_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    PM_CHECK(bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    socklen_t size = sizeof(address);
    PM_CHECK(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
    PM_CHECK(pipe(stop_) == 0);
  }
  ~DnsServer() {
    PM_CHECK(write(stop_[1], "x", 1) == 1);
    if (thread_.joinable()) thread_.join();
    for (const int fd : {fd_, stop_[0], stop_[1]}) close(fd);
  }
  void Start() {
    thread_ = std::thread([this] { Run(); });
  }
  std::string address() const { return absl::StrCat("127.0.0.1:", port_); }

  std::map<std::string, std::vector<std::string>> names;  // Before Start().

 private:
  void Run() {
    while (true) {
      pollfd polled[] = {{fd_, POLLIN, 0}, {stop_[0], POLLIN, 0}};
      poll(polled, 2, -1);
      if (polled[1].revents != 0) return;
      char bytes[512];
      sockaddr_storage from;
      socklen_t from_size = sizeof(from);
      const ssize_t size =
          recvfrom(fd_, bytes, sizeof(bytes), 0, reinterpret_cast<sockaddr*>(&from), &from_size);
      const std::string answer = Answer(std::string(bytes, size > 0 ? size : 0));
      if (answer.empty()) continue;
      sendto(fd_, answer.data(), answer.size(), 0, reinterpret_cast<sockaddr*>(&from), from_size);
    }
  }

  std::string Answer(const std::string& query) const {
    if (query.size() < 17) return "";
    std::string name;
    size_t at = 12;
    while (at < query.size() && query[at] != 0) {
      const auto length = static_cast<uint8_t>(query[at]);
      absl::StrAppend(&name, name.empty() ? "" : ".", query.substr(at + 1, length));
      at += length + 1;
    }
    const size_t question_end = at + 5;
    const auto type = static_cast<uint16_t>(static_cast<uint8_t>(query[at + 1]) << 8 |
                                            static_cast<uint8_t>(query[at + 2]));
    if (name.rfind("silent.", 0) == 0) return "";
    if (name.rfind("half.", 0) == 0 && type == kTypeAaaa) return "";
    const auto found = names.find(name);
    std::string records;
    uint8_t count = 0;
    for (const std::string& text :
         found == names.end() ? std::vector<std::string>() : found->second) {
      const bool v6 = text.find(':') != std::string::npos;
      if (v6 != (type == kTypeAaaa)) continue;
      char bytes[16];
      PM_CHECK(inet_pton(v6 ? AF_INET6 : AF_INET, text.c_str(), bytes) == 1);
      records += std::string("\xc0\x0c", 2) + std::string(1, 0) + static_cast<char>(type) +
                 std::string("\x00\x01\x00\x00\x00\x05\x00", 7) + static_cast<char>(v6 ? 16 : 4) +
                 std::string(bytes, v6 ? 16 : 4);
      ++count;
    }
    std::string answer = query.substr(0, question_end);
    answer[2] = static_cast<char>(0x81);
    answer[3] = static_cast<char>(found == names.end() ? 0x83 : 0x80);
    answer[7] = static_cast<char>(count);
    answer[8] = answer[9] = answer[10] = answer[11] = 0;
    return answer + records;
  }

  int fd_;
  int stop_[2];
  uint16_t port_ = 0;
  std::thread thread_;
};

class NameLookupTest : public ::testing::Test {
 protected:
  std::map<std::string, std::string> LookUp(const std::vector<std::string>& names,
                                            absl::FunctionRef<bool()> stop) {
    NameLookupOptions options;
    options.servers = server_.address();
    options.timeout = absl::Milliseconds(200);
    options.tries = 1;
    std::map<std::string, std::string> results;
    const auto done = [&](const std::string& name, LookupResult result) {
      results[name] = result.ok()
                          ? absl::StrJoin(*result, ",",
                                          [](std::string* out, const common::Address& address) {
                                            absl::StrAppend(out, common::HostOf(address));
                                          })
                          : std::string(absl::StatusCodeToString(result.status().code()));
      order_.push_back(name);
    };
    LookUpAll(options, names, done, stop);
    return results;
  }
  std::map<std::string, std::string> LookUp(const std::vector<std::string>& names) {
    return LookUp(names, [] { return false; });
  }

  DnsServer server_;
  std::vector<std::string> order_;
};

TEST_F(NameLookupTest, FindsBothFamiliesAndSortsThem) {
  server_.names = {{"a.test", {"10.0.0.9", "10.0.0.1", "2001:db8::7"}},
                   {"six.test", {"2001:db8::1"}}};
  server_.Start();
  const auto results = LookUp({"a.test", "six.test"});
  EXPECT_EQ(results.at("a.test"), "10.0.0.1,10.0.0.9,2001:db8::7");
  EXPECT_EQ(results.at("six.test"), "2001:db8::1");
}

TEST_F(NameLookupTest, OneFamilyIsAnAnswerWhenTheOtherIsNotHeardOf) {
  server_.names = {{"half.test", {"10.0.0.1", "2001:db8::1"}}, {"four.test", {"10.0.0.2"}}};
  server_.Start();
  const auto results = LookUp({"half.test", "four.test"});
  EXPECT_EQ(results.at("half.test"), "10.0.0.1");
  EXPECT_EQ(results.at("four.test"), "10.0.0.2");
}

TEST_F(NameLookupTest, TellsWhatDoesNotExistFromWhatCannotBeKnown) {
  server_.names = {{"empty.test", {}}};
  server_.Start();
  const auto results = LookUp({"none.test", "empty.test", "silent.test"});
  EXPECT_EQ(results.at("none.test"), "NOT_FOUND");
  EXPECT_EQ(results.at("empty.test"), "NOT_FOUND");
  EXPECT_EQ(results.at("silent.test"), "UNAVAILABLE");
}

TEST_F(NameLookupTest, ASilentNameHoldsNobodyUp) {
  std::vector<std::string> names = {"silent.test"};
  for (int i = 0; i < 100; ++i) {
    names.push_back(absl::StrCat("n", i, ".test"));
    server_.names[names.back()] = {absl::StrCat("10.0.1.", i)};
  }
  server_.Start();
  const auto results = LookUp(names);
  EXPECT_EQ(results.size(), 101u);
  EXPECT_EQ(order_.back(), "silent.test");
}

TEST_F(NameLookupTest, StopsWhenItIsToldTo) {
  server_.names = {{"a.test", {"10.0.0.1"}}};
  server_.Start();
  const auto results = LookUp({"a.test", "silent.test"}, [this] { return !order_.empty(); });
  EXPECT_EQ(results.size(), 1u);
  EXPECT_EQ(results.count("a.test"), 1u);
}

TEST(LookUpAllTest, KnowsLocalhost) {
  std::vector<common::Address> addresses;
  const auto done = [&](const std::string& /*name*/, LookupResult result) {
    ASSERT_TRUE(result.ok()) << result.status();
    addresses = *std::move(result);
  };
  LookUpAll(NameLookupOptions(), {"localhost"}, done, [] { return false; });
  ASSERT_FALSE(addresses.empty());
  for (const common::Address& address : addresses) EXPECT_TRUE(common::IsLoopback(address));
}

}  // namespace
}  // namespace pointsman::gateway
