#include "sim/world/invariants.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pointsman::sim {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class InvariantsTest : public ::testing::Test {
 protected:
  static WorldOptions Options() {
    WorldOptions options;
    options.endpoints.resize(10);
    options.gateways = 2;
    return options;
  }
  // Endpoint 3's place in a gateway's table; the others are in use.
  void Table(size_t gateway, bool routable) {
    gateway::ServiceTable table;
    gateway::BlockListEditor<gateway::Endpoint> editor(&table.endpoints);
    for (size_t i = 0; i < options.endpoints.size(); ++i) {
      gateway::Endpoint endpoint;
      endpoint.handle = static_cast<uint32_t>(i + 1);
      endpoint.identity = std::make_shared<const gateway::EndpointIdentity>(
          gateway::EndpointIdentity{.id = absl::StrCat("e", i)});
      endpoint.routable = i != 3 || routable;
      editor.Set(i, endpoint);
    }
    editor.Finish();
    invariants.OnTable(gateway, table);
  }
  void Verdict(v1::Verdict from, v1::Verdict to) {
    invariants.OnVerdict({3, from, to, v1::REASON_UNREACHABLE, /*confirmed=*/true});
  }
  void Removed(uint32_t endpoint, bool confirmed = false) {
    invariants.OnVerdict({endpoint, v1::VERDICT_HEALTHY, v1::VERDICT_UNHEALTHY,
                          v1::REASON_CHECKS_FAILED, confirmed});
  }

  EventQueue queue;
  WorldOptions options = Options();
  std::vector<std::string> broken;
  Invariants invariants{queue, options,
                        [this](absl::string_view what) { broken.emplace_back(what); }};
};

TEST_F(InvariantsTest, NoTryBeginsAtWhatATableTookOut) {
  Table(0, true);
  Table(1, true);
  Verdict(v1::VERDICT_STARTING, v1::VERDICT_HEALTHY);
  Verdict(v1::VERDICT_HEALTHY, v1::VERDICT_DRAINING);
  Table(0, false);
  invariants.OnTry(1, 3);
  invariants.OnTry(0, 4);
  EXPECT_THAT(broken, IsEmpty()) << "the other gateway's table still has it";
  invariants.OnTry(0, 3);
  EXPECT_THAT(broken, ElementsAre(HasSubstr("begins a try at e3")));
}

TEST_F(InvariantsTest, WhoLeavesHasAnEvent) {
  Table(0, true);
  Verdict(v1::VERDICT_STARTING, v1::VERDICT_HEALTHY);
  Table(0, false);
  EXPECT_THAT(broken, ElementsAre(HasSubstr("no event told of it")));
}

TEST_F(InvariantsTest, RemovalsKeepToTheCap) {
  Removed(1);
  Removed(2);
  Removed(4, /*confirmed=*/true);
  EXPECT_THAT(broken, IsEmpty()) << "two of ten";
  invariants.OnVerdict({5, v1::VERDICT_DRAINING, v1::VERDICT_UNHEALTHY, v1::REASON_CHECKS_FAILED,
                        /*confirmed=*/false});
  EXPECT_THAT(broken, IsEmpty()) << "it did not serve";
  Removed(5);
  EXPECT_THAT(broken, ElementsAre(HasSubstr("3 removals within the window, 2 allowed")));
  queue.RunUntil(queue.now() + absl::Minutes(1));
  Removed(6);
  EXPECT_EQ(broken.size(), 1u);
}

TEST_F(InvariantsTest, RestartsKeepToTheBudgetOfTheirHost) {
  for (int i = 0; i < 6; ++i) {
    EXPECT_THAT(broken, IsEmpty());
    invariants.OnRestart(3, true);
    invariants.OnRestart(3, false);
    queue.RunUntil(queue.now() + absl::Minutes(1));
  }
  EXPECT_THAT(broken, ElementsAre(HasSubstr("e3 is restarted 6 times")));
  broken.clear();
  queue.RunUntil(queue.now() + absl::Minutes(10));
  invariants.OnRestart(3, true);
  EXPECT_THAT(broken, IsEmpty());
}

TEST_F(InvariantsTest, NotMoreRestartAtOnceThanTheServiceAllows) {
  invariants.OnRestart(1, true);
  invariants.OnRestart(2, true);
  invariants.OnRestart(1, false);
  invariants.OnRestart(3, true);
  EXPECT_THAT(broken, IsEmpty());
  invariants.OnRestart(4, true);
  EXPECT_THAT(broken, ElementsAre(HasSubstr("3 restarts at once, 2 allowed")));
}

}  // namespace
}  // namespace pointsman::sim
