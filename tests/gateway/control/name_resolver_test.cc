#include "gateway/control/name_resolver.h"

#include <map>

#include "absl/time/clock.h"
#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

class NameResolverTest : public ::testing::Test {
 protected:
  NameResolver::Options Options() {
    return {.interval = absl::Milliseconds(1),
            .resolve =
                [this](const std::vector<std::string>& names, auto done, auto stop) {
                  for (const std::string& name : names) {
                    if (stop()) return;
                    done(name, Answer(name));
                  }
                },
            .on_resolved =
                [this](const std::string& name, std::vector<common::Address> addresses) {
                  common::MutexLock lock(mutex_);
                  resolved_[name] = addresses.at(0).bytes[3];
                  changed_.NotifyAll();
                }};
  }
  LookupResult Answer(const std::string& name) {
    common::MutexLock lock(mutex_);
    if (name == "bad.test") return absl::UnavailableError("no answer");
    common::Address address;
    address.bytes[3] = static_cast<uint8_t>(++asked_[name]);
    return std::vector<common::Address>{address};
  }
  bool WaitFor(const std::string& name, int times) {
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    common::MutexLock lock(mutex_);
    while (resolved_[name] < times && absl::Now() < deadline) {
      changed_.WaitFor(mutex_, absl::Seconds(1));
    }
    return resolved_[name] >= times;
  }

  common::Mutex mutex_;
  common::CondVar changed_;
  std::map<std::string, int> asked_;
  std::map<std::string, int> resolved_;
};

TEST_F(NameResolverTest, ResolvesAgainAndAgain) {
  NameResolver resolver(common::SystemClock(), Options());
  resolver.SetNames({"a.test"});
  EXPECT_TRUE(WaitFor("a.test", 3));
}

TEST_F(NameResolverTest, OneBadNameDoesNotStopTheOthers) {
  NameResolver resolver(common::SystemClock(), Options());
  resolver.SetNames({"bad.test", "z.test"});
  EXPECT_TRUE(WaitFor("z.test", 2));
  common::MutexLock lock(mutex_);
  EXPECT_EQ(resolved_["bad.test"], 0);
}

TEST_F(NameResolverTest, NewNamesAreResolvedAtOnce) {
  NameResolver::Options options = Options();
  options.interval = absl::Hours(1);
  NameResolver resolver(common::SystemClock(), options);
  resolver.SetNames({"a.test"});
  EXPECT_TRUE(WaitFor("a.test", 1));
  resolver.SetNames({"a.test", "b.test"});
  EXPECT_TRUE(WaitFor("b.test", 1));
}

}  // namespace
}  // namespace pointsman::gateway
