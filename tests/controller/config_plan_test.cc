#include "controller/config_plan.h"

#include "common/core/config_load.h"
#include "common/core/error_reason.h"
#include "controller/config_objects.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pointsman::controller {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

v1::Config Parse(const std::string& yaml) {
  const auto config = common::ParseConfig(yaml, "test.yaml");
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? *config : v1::Config();
}

Plan PlanOrDie(const v1::Config& current, uint64_t revision, v1::Config wanted) {
  PlanInput input;
  input.current = &current;
  input.current_revision = revision;
  input.wanted = std::move(wanted);
  input.actor = "operator:alice";
  input.now = absl::FromUnixSeconds(1'000);
  auto plan = MakePlan(std::move(input));
  EXPECT_TRUE(plan.ok()) << plan.status();
  return plan.ok() ? *std::move(plan) : Plan();
}

constexpr char kWeb[] = "services:\n- name: web\n- name: api\n";

TEST(ConfigPlanTest, CompletesSortsAndStampsNewResources) {
  const Plan plan = PlanOrDie({}, 6, Parse(kWeb));
  ASSERT_EQ(plan.config.services_size(), 2);
  EXPECT_EQ(plan.config.services(0).name(), "services/api");
  EXPECT_EQ(plan.config.services(1).name(), "services/web");
  EXPECT_EQ(plan.config.services(1).revision(), 7u);
  EXPECT_EQ(plan.config.services(1).etag().size(), 32u);
  ASSERT_EQ(plan.changes.size(), 2u);
  EXPECT_EQ(plan.changes[1].kind(), v1::ConfigChange::KIND_CREATED);
  EXPECT_EQ(plan.changes[1].before(), "");
  EXPECT_THAT(plan.changes[1].after(), HasSubstr("web"));
  EXPECT_EQ(ChangesSummary(plan.changes), "2 created");
}

TEST(ConfigPlanTest, LeavesEqualResourcesAsTheyAre) {
  const v1::Config first = PlanOrDie({}, 0, Parse(kWeb)).config;
  EXPECT_THAT(PlanOrDie(first, 1, Parse(kWeb)).changes, IsEmpty());
  const Plan plan = PlanOrDie(
      first, 1, Parse("services:\n- name: web\n  retries: {max_retries: 1}\n- name: api\n"));
  ASSERT_EQ(plan.changes.size(), 1u);
  EXPECT_EQ(plan.changes[0].kind(), v1::ConfigChange::KIND_UPDATED);
  EXPECT_EQ(plan.config.services(0).revision(), 1u);
  EXPECT_EQ(plan.config.services(1).revision(), 2u);
  EXPECT_NE(plan.config.services(1).etag(), first.services(1).etag());
}

TEST(ConfigPlanTest, DeletesWhatIsNotNamed) {
  const v1::Config first = PlanOrDie({}, 0, Parse(kWeb)).config;
  const Plan plan = PlanOrDie(first, 1, Parse("services:\n- name: api\n"));
  ASSERT_EQ(plan.changes.size(), 1u);
  EXPECT_EQ(plan.changes[0].kind(), v1::ConfigChange::KIND_DELETED);
  EXPECT_EQ(plan.changes[0].name(), "services/web");
  EXPECT_EQ(plan.changes[0].after(), "");
}

constexpr char kDrained[] =
    "services:\n- name: web\noverrides:\n- name: web.a\n  service: web\n  endpoint: a\n"
    "  drain: true\n";

TEST(ConfigPlanTest, KeepsOverridesUnlessTheyAreNamedOrReplaced) {
  const v1::Config first = PlanOrDie({}, 0, Parse(kDrained)).config;
  ASSERT_EQ(first.overrides_size(), 1);
  EXPECT_EQ(first.overrides(0).author(), "operator:alice");
  EXPECT_EQ(first.overrides(0).create_time().seconds(), 1'000);
  EXPECT_THAT(PlanOrDie(first, 1, Parse("services:\n- name: web\n")).changes, IsEmpty());
  PlanInput input;
  input.current = &first;
  input.current_revision = 1;
  input.wanted = Parse("services:\n- name: web\n");
  input.replace_overrides = true;
  const auto plan = MakePlan(std::move(input));
  ASSERT_TRUE(plan.ok());
  ASSERT_EQ(plan->changes.size(), 1u);
  EXPECT_EQ(plan->changes[0].name(), "overrides/web.a");
}

TEST(ConfigPlanTest, KeepsAnEqualOverridesAuthor) {
  const v1::Config first = PlanOrDie({}, 0, Parse(kDrained)).config;
  PlanInput input;
  input.current = &first;
  input.current_revision = 1;
  input.wanted = Parse(kDrained);
  input.actor = "operator:bob";
  input.now = absl::FromUnixSeconds(2'000);
  const auto plan = MakePlan(std::move(input));
  ASSERT_TRUE(plan.ok());
  EXPECT_THAT(plan->changes, IsEmpty());
  EXPECT_EQ(plan->config.overrides(0).author(), "operator:alice");
}

TEST(ConfigPlanTest, RefusesAChangeBuiltOnAnOlderEtag) {
  const v1::Config first = PlanOrDie({}, 0, Parse(kWeb)).config;
  v1::Config wanted = first;
  wanted.mutable_services(0)->mutable_retries()->set_max_retries(0);
  EXPECT_EQ(PlanOrDie(first, 1, wanted).changes.size(), 1u);
  wanted.mutable_services(0)->set_etag("00000000000000000000000000000000");
  PlanInput input;
  input.current = &first;
  input.wanted = wanted;
  const auto plan = MakePlan(std::move(input));
  EXPECT_EQ(plan.status().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(common::ReasonOf(plan.status()), "ETAG_MISMATCH");
  EXPECT_EQ(common::ReasonMetadata(plan.status())["resource"], "services/api");
}

TEST(ConfigPlanTest, NamesEveryBrokenRule) {
  const v1::Config current;
  PlanInput input;
  input.current = &current;
  input.wanted = Parse("services:\n- name: \"UPPER\"\nroutes:\n- name: r\n  service: absent\n");
  const auto plan = MakePlan(std::move(input));
  EXPECT_EQ(plan.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(common::ReasonOf(plan.status()), "CONFIG_INVALID");
  EXPECT_THAT(std::string(plan.status().message()), HasSubstr("services[0].name"));
  EXPECT_THAT(std::string(plan.status().message()), HasSubstr("absent"));
}

TEST(ConfigPlanTest, RefusesAResourceThatIsTooLargeToStore) {
  const v1::Config current;
  PlanInput input;
  input.current = &current;
  v1::Service* service = input.wanted.add_services();
  service->set_name("web");
  for (int i = 0; i < 1'000; ++i) {
    v1::Endpoint* endpoint = service->add_endpoints();
    endpoint->set_id(std::to_string(i));
    endpoint->set_address("10.0.0.1:80");
    for (int k = 0; k < 4; ++k) {
      (*endpoint->mutable_labels())[std::to_string(k)] = std::string(250, 'x');
    }
  }
  const auto plan = MakePlan(std::move(input));
  EXPECT_EQ(plan.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(plan.status().message()), HasSubstr("CONFIG_LIMIT"));
}

TEST(ConfigObjectsTest, SplitAndJoinGiveTheSameConfiguration) {
  v1::Config wanted = Parse(kDrained);
  for (int i = 0; i < 2'500; ++i) wanted.add_services()->set_name("s" + std::to_string(i));
  const v1::Config config = PlanOrDie({}, 0, wanted).config;
  const ConfigObjects objects = SplitConfig(config);
  EXPECT_EQ(objects.pages.size(), 3u);
  std::vector<v1::Config> pages(objects.pages.size());
  for (size_t i = 0; i < pages.size(); ++i) {
    ASSERT_TRUE(pages[i].ParseFromString(objects.objects.at(objects.pages[i])));
  }
  const auto joined = JoinConfig(pages, objects.objects);
  ASSERT_TRUE(joined.ok()) << joined.status();
  EXPECT_EQ(StableBytes(*joined), StableBytes(config));
  auto incomplete = objects.objects;
  incomplete.erase(config.overrides(0).etag());
  EXPECT_EQ(JoinConfig(pages, incomplete).status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace pointsman::controller
