#include "agent/config_file.h"

#include <stdlib.h>

#include <filesystem>
#include <random>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/state_dir.h"
#include "common/files.h"
#include "gtest/gtest.h"

namespace pointsman::agent {
namespace {

constexpr char kExample[] = R"(id: host-7
locality: {region: eu, zone: a}
controllers: ["10.0.0.1:7400"]
tls: {cert: /c.pem, key: /k.pem, ca: /ca.pem}
instances:
- service: web
  id: web-1
  address: 10.0.0.7:8080
  capacity: 2.5
  priority: 1
  labels: {version: "3"}
  cgroup: system.slice/web.service
  pid_file: /run/web.pid
  metrics_url: http://127.0.0.1:8080/metrics.json
  restart: {argv: [/usr/bin/systemctl, restart, web], timeout: 45s}
- service: api
  id: api-1
  address: unix:/run/api.sock
  draining: true
  restart: {argv: [/usr/bin/api], type: simple, output: /var/log/api.log, directory: /srv}
)";

TEST(ConfigFileTest, ReadsEveryField) {
  const absl::StatusOr<AgentConfig> config = ParseAgentFile(kExample, "agent.yaml");
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->id, "host-7");
  EXPECT_EQ(config->region, "eu");
  EXPECT_EQ(config->zone, "a");
  EXPECT_EQ(config->controllers, std::vector<std::string>{"10.0.0.1:7400"});
  EXPECT_EQ(config->tls_ca, "/ca.pem");
  ASSERT_EQ(config->instances.size(), 2u);
  const InstanceConfig& web = config->instances[0];
  EXPECT_EQ(web.service, "web");
  EXPECT_EQ(web.address, "10.0.0.7:8080");
  EXPECT_EQ(web.capacity, 2.5);
  EXPECT_EQ(web.priority, 1u);
  EXPECT_EQ(web.labels.at("version"), "3");
  EXPECT_EQ(web.cgroup, "system.slice/web.service");
  EXPECT_EQ(web.restart->argv.size(), 3u);
  EXPECT_EQ(web.restart->timeout, absl::Seconds(45));
  EXPECT_EQ(web.restart->kind, RestartAction::Kind::kOneshot);
  EXPECT_FALSE(web.draining);
  const InstanceConfig& api = config->instances[1];
  EXPECT_TRUE(api.draining);
  EXPECT_EQ(api.restart->kind, RestartAction::Kind::kSimple);
  EXPECT_EQ(api.restart->output, "/var/log/api.log");
  EXPECT_EQ(api.restart->directory, "/srv");
}

TEST(ConfigFileTest, NamesTheLineAndWhatWasMeant) {
  const struct {
    const char* text;
    const char* error;
  } kCases[] = {
      {"id: a\ninstanecs: []\n",
       "agent.yaml:2: instanecs: unknown field; did you mean "
       "\"instances\"?"},
      {"instances:\n- service: web\n  id: w\n  adress: 127.0.0.1:80\n",
       "agent.yaml:4: instances[0].adress: unknown field; did you mean \"address\"?"},
      {"instances:\n- service: Web\n  id: w\n  address: 127.0.0.1:80\n", "instances[0].service"},
      {"instances:\n- service: web\n  id: w\n  address: 127.0.0.1\n", "instances[0].address"},
      {"instances:\n- service: web\n  id: w\n  address: 127.0.0.1:0\n", "port is 1 to 65535"},
      {"instances:\n- service: web\n  id: w\n  address: 127.0.0.1:80\n  restart: {argv: [ls]}\n",
       "absolute path"},
      {"instances:\n- service: web\n  id: w\n  address: 127.0.0.1:80\n  restart: {argv: [/ls], "
       "type: shell}\n",
       "oneshot or simple"},
      {"instances:\n- service: web\n  id: w\n  address: 127.0.0.1:80\n  capacity: .nan\n",
       "from 0.01 to 100"},
      {"instances:\n- service: web\n  id: w\n  address: 127.0.0.1:80\n  cgroup: ../x\n", "cgroup"},
      {"instances:\n- &a {service: web, id: w, address: \"127.0.0.1:80\"}\n- *a\n", "second"},
      {"instances: 5\n", "must be a list"},
      {"- 1\n", "must be a map"},
      {"id: [\n", "agent.yaml:"},
      {"id: a b\n", "id:"},
  };
  for (const auto& c : kCases) {
    const absl::StatusOr<AgentConfig> config = ParseAgentFile(c.text, "agent.yaml");
    EXPECT_TRUE(absl::IsInvalidArgument(config.status())) << c.text;
    EXPECT_TRUE(absl::StrContains(config.status().message(), c.error))
        << c.text << config.status().message();
  }
}

TEST(ConfigFileTest, AnEmptyFileHasNoInstances) {
  const absl::StatusOr<AgentConfig> config = ParseAgentFile("", "agent.yaml");
  ASSERT_TRUE(config.ok());
  EXPECT_TRUE(config->instances.empty());
}

TEST(ConfigFileTest, LimitsItsInstances) {
  std::string text = "instances:\n";
  for (int i = 0; i < 257; ++i) {
    absl::StrAppend(&text, "- {service: web, id: w", i, ", address: \"127.0.0.1:80\"}\n");
  }
  EXPECT_TRUE(absl::StrContains(ParseAgentFile(text, "").status().message(), "at most 256"));
}

TEST(ConfigFileTest, DamagedTextIsNeverMoreThanAnError) {
  const std::string text = kExample;
  std::mt19937 random(3);
  for (size_t size = 0; size < text.size(); size += 3) {
    ParseAgentFile(text.substr(0, size), "").status().IgnoreError();
  }
  for (int i = 0; i < 500; ++i) {
    std::string bad = text;
    for (int j = 0; j < 3; ++j) bad[random() % bad.size()] = static_cast<char>(random());
    ParseAgentFile(bad, "").status().IgnoreError();
  }
}

class StateDirTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/pm-state-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    folder_ = absl::StrCat(folder, "/state");
  }
  void TearDown() override {
    std::filesystem::remove_all(std::filesystem::path(folder_).parent_path());
  }
  std::string folder_;
};

TEST_F(StateDirTest, KeepsWhatWasSavedAndBelongsToOneAgent) {
  {
    const absl::StatusOr<StateDir> state_dir = StateDir::Open(folder_);
    ASSERT_TRUE(state_dir.ok()) << state_dir.status().message();
    EXPECT_FALSE((*state_dir->Load()).has_value());
    SavedState state;
    state.boot_id = 5;
    state.reserved_id = 77;
    ASSERT_TRUE(state_dir->Save(state).ok());
    EXPECT_TRUE(absl::IsFailedPrecondition(StateDir::Open(folder_).status()));
  }
  const absl::StatusOr<StateDir> again = StateDir::Open(folder_);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ((*again->Load())->reserved_id, 77u);
}

TEST_F(StateDirTest, AnotherBootsStateIsNotUsedAndADamagedOneIsAnError) {
  const absl::StatusOr<StateDir> state_dir = StateDir::Open(folder_);
  ASSERT_TRUE(state_dir.ok());
  SavedState state;
  state.boot_id = 5;
  state.host_boot = "another boot";
  const std::string path = folder_ + "/agent.state";
  ASSERT_TRUE(common::WriteFileAtomically(path, EncodeState(state)).ok());
  EXPECT_FALSE((*state_dir->Load()).has_value());
  ASSERT_TRUE(common::WriteFileAtomically(path, "nonsense").ok());
  EXPECT_TRUE(absl::IsInvalidArgument(state_dir->Load().status()));
}

}  // namespace
}  // namespace pointsman::agent
