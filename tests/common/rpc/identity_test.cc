#include "common/rpc/identity.h"

#include "gtest/gtest.h"

namespace pointsman::common {
namespace {

TEST(IdentityTest, ReadsRoleAndNameFromAUri) {
  const Identity identity = IdentityFromNames({"spiffe://example.org/agent/host-7"}, {});
  EXPECT_EQ(identity.roles, RoleSet({Role::kAgent}));
  EXPECT_EQ(identity.name, "host-7");
  EXPECT_EQ(identity.ToString(), "agent:host-7");
}

TEST(IdentityTest, ReadsRoleAndNameFromADnsName) {
  const Identity identity = IdentityFromNames({}, {"edge-1.gateway.pointsman.example.org"});
  EXPECT_EQ(identity.roles, RoleSet({Role::kGateway}));
  EXPECT_EQ(identity.ToString(), "gateway:edge-1");
  EXPECT_EQ(IdentityFromNames({}, {"alice.operator.pointsman"}).ToString(), "operator:alice");
}

TEST(IdentityTest, GivesNoRoleToOtherNames) {
  for (const char* uri : {"spiffe://example.org/root/alice", "spiffe://example.org/operator/",
                          "spiffe:///operator/alice", "https://example.org/operator/alice",
                          "spiffe://example.org/x/operator/alice", "spiffe://example.org/operator",
                          "spiffe://example.org/operator/a b"}) {
    EXPECT_TRUE(IdentityFromNames({uri}, {}).roles.empty()) << uri;
  }
  for (const char* name : {"alice.operator.example.org", "operator.pointsman", "localhost",
                           "a.b.operator.pointsman"}) {
    EXPECT_TRUE(IdentityFromNames({}, {name}).roles.empty()) << name;
  }
}

TEST(IdentityTest, AddsRolesOnlyOfTheSameName) {
  const Identity both = IdentityFromNames(
      {"spiffe://example.org/viewer/alice", "spiffe://example.org/operator/alice"}, {});
  EXPECT_EQ(both.roles, RoleSet({Role::kViewer, Role::kOperator}));
  EXPECT_EQ(both.ToString(), "operator:alice");
  const Identity mixed = IdentityFromNames(
      {"spiffe://example.org/viewer/alice", "spiffe://example.org/operator/bob"}, {});
  EXPECT_EQ(mixed.roles, RoleSet({Role::kViewer}));
}

TEST(IdentityTest, SpeaksOnlyForItsOwnNameWhenAuthenticated) {
  const Identity agent = IdentityFromNames({"spiffe://example.org/agent/host-7"}, {});
  EXPECT_TRUE(agent.MaySpeakFor(Role::kAgent, "host-7"));
  EXPECT_FALSE(agent.MaySpeakFor(Role::kAgent, "host-8"));
  EXPECT_FALSE(agent.MaySpeakFor(Role::kGateway, "host-7"));
  const Identity local{RoleSet::All(), "local", false};
  EXPECT_TRUE(local.MaySpeakFor(Role::kAgent, "host-8"));
  EXPECT_EQ(local.ToString(), "local");
  EXPECT_EQ(local.As(Role::kOperator), "operator:local");
}

}  // namespace
}  // namespace pointsman::common
