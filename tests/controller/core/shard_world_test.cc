#include "tests/controller/core/shard_world.h"

#include <cstdio>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "common/core/latency_histogram.h"
#include "gtest/gtest.h"

namespace pointsman::controller {

bool SliceMirror::Apply(const Frame& frame) {
  const bool same_epoch = frame.epoch == version.epoch;
  const bool continued = version.revision > 0 && frame.continues == version;
  if (frame.epoch < version.epoch) return false;
  if (frame.base == 0) {
    if (same_epoch && frame.to <= version.revision) return false;
    entries.clear();
  } else {
    if (!same_epoch && !continued) return false;
    if (frame.base > version.revision || frame.to <= version.revision) return false;
  }
  for (const FrameEntry& entry : frame.entries) {
    FrameEntry& held = entries[entry.handle];
    const EndpointInfoPtr info = entry.info != nullptr ? entry.info : held.info;
    held = entry;
    held.info = info;
  }
  for (const FrameTombstone& tombstone : frame.tombstones) entries.erase(tombstone.handle);
  if (frame.head) head = frame.head->state;
  version = {frame.epoch, frame.to};
  return true;
}

std::string Difference(const SliceMirror& mirror, const Frame& full) {
  if (mirror.version != SliceVersion{full.epoch, full.to}) {
    return absl::StrCat("version ", mirror.version.epoch, "/", mirror.version.revision, " not ",
                        full.epoch, "/", full.to);
  }
  if (mirror.entries.size() != full.entries.size()) {
    return absl::StrCat("entries ", mirror.entries.size(), " not ", full.entries.size());
  }
  for (const FrameEntry& entry : full.entries) {
    const auto it = mirror.entries.find(entry.handle);
    if (it == mirror.entries.end()) return absl::StrCat("handle ", entry.handle, " missing");
    if (!(it->second.state == entry.state)) return absl::StrCat("state of ", entry.handle);
    if (it->second.info == nullptr || !(*it->second.info == *entry.info)) {
      return absl::StrCat("info of ", entry.handle);
    }
    if (it->second.revision != entry.revision) return absl::StrCat("revision of ", entry.handle);
  }
  if (!(mirror.head == full.head->state)) return "head";
  return "";
}

EndpointInfoPtr MakeInfo(const std::string& id, double capacity, uint32_t priority) {
  auto info = std::make_shared<EndpointInfo>();
  info->id = id;
  info->address = absl::StrCat("127.0.0.1:", 1000 + id.size());
  info->capacity = capacity;
  info->priority = priority;
  return info;
}

uint64_t SeedOr(uint64_t fallback) {
  const char* given = std::getenv("PM_SEED");
  const uint64_t seed = given == nullptr ? fallback : std::strtoull(given, nullptr, 10);
  std::printf("PM_SEED=%llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

ShardWorld::ShardWorld(const WorldOptions& options) : service(options.service) {
  core = std::make_unique<ShardCore>(options.shard);
  v1::Service& message = *config.add_services();
  message.set_name("services/" + service);
  message.add_checks()->mutable_http();
}

Effects ShardWorld::Step(const Input& input) {
  journal.emplace_back(input, now);
  Effects effects = core->Step(input, now);
  wake_at = effects.wake_at;
  for (const Frame& frame : effects.frames) {
    EXPECT_EQ(frame.service, service);
    EXPECT_LT(frame.base, frame.to);
    EXPECT_GT((SliceVersion{frame.epoch, frame.to}), mirror.version) << "a lower pair was emitted";
    if (!mirror.Apply(frame)) {
      // After a rebase or a new epoch: the whole slice.
      const std::optional<Frame> full = core->FullFrame(service);
      EXPECT_TRUE(full.has_value());
      EXPECT_TRUE(mirror.Apply(*full));
    }
    frames.push_back(frame);
  }
  const std::optional<Frame> full = core->FullFrame(service);
  if (full.has_value() && !effects.frames.empty()) {
    EXPECT_EQ(Difference(mirror, *full), "");
  }
  for (const EventOut& event : effects.events) events.push_back(event);
  return effects;
}

void ShardWorld::Run(absl::Duration duration) {
  const common::MonotonicTime end = now + duration;
  while (now < end) {
    now = std::min(end, now + absl::Milliseconds(100));
    Step(TickInput{});
  }
}

void ShardWorld::RunWithReports(absl::Duration duration) {
  const common::MonotonicTime end = now + duration;
  while (now < end) {
    Run(std::min(absl::Duration(absl::Seconds(1)), end - now));
    for (const auto& [id, agent] : agents) {
      if (agent.live) Report(id);
    }
  }
}

void ShardWorld::Configure(const std::string& actor) {
  Step(ConfigInput{std::make_shared<const v1::Config>(config), ++config_revision_, actor});
}

void ShardWorld::Hello(const std::string& id, bool draining) {
  Agent& agent = agents[id];
  agent.session = next_session++;
  AgentHelloInput hello;
  hello.agent = "a-" + id;
  hello.boot = agent.boot;
  hello.session = agent.session;
  hello.instances.push_back({service, MakeInfo(id), true, draining});
  hello.actor = "agent:a-" + id;
  Step(hello);
}

void ShardWorld::Goodbye(const std::string& id) {
  Agent& agent = agents[id];
  agent.session = next_session++;
  agent.live = false;
  Step(AgentHelloInput{"a-" + id, agent.boot, agent.session, {}, {}, "agent:a-" + id});
}

void ShardWorld::Report(const std::string& id) {
  Agent& agent = agents[id];
  AgentReportInput report;
  report.agent = "a-" + id;
  report.session = agent.session;
  report.boot = agent.boot;
  report.sequence = ++agent.sequence;
  report.window = absl::Seconds(1);
  report.report_interval = absl::Seconds(1);
  report.service = service;
  InstanceSample sample;
  sample.checks_current = true;
  sample.process = agent.process;
  sample.restarts = agent.restarts;
  sample.restart_budget_spent = agent.restart_budget_spent;
  sample.load = agent.load;
  if (agent.has_checks) {
    CheckSample check;
    check.status = agent.check;
    check.failure = agent.failure;
    check.consecutive = 3;
    check.age = agent.check_age;
    check.since = now - agent.check_since;
    sample.checks.push_back(check);
  }
  report.instances.push_back(sample);
  Step(report);
}

void ShardWorld::GatewayHello(const std::string& gateway, std::vector<HeldSlice> held) {
  Gateway& record = gateways_[gateway];
  record.session = next_session++;
  Step(GatewayHelloInput{gateway, record.boot, record.session, {}, std::move(held)});
}

void ShardWorld::Observe(const std::string& gateway, const std::map<std::string, Traffic>& traffic,
                         absl::Duration window) {
  Gateway& record = gateways_[gateway];
  ObservationsInput input;
  input.gateway = gateway;
  input.session = record.session;
  input.boot = record.boot;
  input.sequence = ++record.sequence;
  input.window = window;
  input.service = service;
  input.version = core->NewestVersion(service);
  for (const auto& [id, added] : traffic) {
    Traffic& total = record.totals[id];
    total.requests += added.requests;
    total.connect_failures += added.connect_failures;
    total.resets += added.resets;
    total.timeouts += added.timeouts;
    total.server_errors += added.server_errors;
    total.latency_sum += added.latency_sum;
    UnansweredCounts& in_a_row = record.in_a_row[id];
    in_a_row.unreachable += static_cast<uint32_t>(added.connect_failures + added.resets);
    in_a_row.timeouts += static_cast<uint32_t>(added.timeouts);
    if (added.requests > added.connect_failures + added.resets + added.timeouts) in_a_row = {};
    EndpointObservation observation;
    observation.handle = HandleOf(id);
    observation.in_a_row = in_a_row;
    observation.requests = total.requests;
    observation.connect_failures = total.connect_failures;
    observation.resets = total.resets;
    observation.timeouts = total.timeouts;
    observation.server_errors = total.server_errors;
    observation.in_flight = static_cast<float>(added.in_flight);
    observation.latency_sum = total.latency_sum;
    if (added.latency > absl::ZeroDuration()) {
      observation.latency_buckets.resize(common::LatencyHistogram::BucketOf(added.latency) + 1);
      observation.latency_buckets.back() = static_cast<uint32_t>(
          added.requests - added.connect_failures - added.resets - added.timeouts);
    }
    input.endpoints.push_back(observation);
  }
  Step(input);
}

void ShardWorld::AckAll(const std::string& gateway) {
  const Gateway& record = gateways_[gateway];
  Step(AckInput{gateway, record.session, {{service, core->NewestVersion(service)}}, {}});
}

const FrameEntry* ShardWorld::EntryOf(const std::string& id) {
  for (const auto& [handle, entry] : mirror.entries) {
    if (entry.info->id == id) return &entry;
  }
  return nullptr;
}

v1::Verdict ShardWorld::VerdictOf(const std::string& id) {
  const FrameEntry* entry = EntryOf(id);
  return entry == nullptr ? v1::VERDICT_UNSPECIFIED : entry->state.verdict;
}
v1::Reason ShardWorld::ReasonOf(const std::string& id) {
  const FrameEntry* entry = EntryOf(id);
  return entry == nullptr ? v1::REASON_UNSPECIFIED : entry->state.reason;
}
uint32_t ShardWorld::WeightOf(const std::string& id) {
  const FrameEntry* entry = EntryOf(id);
  return entry == nullptr ? 0 : entry->state.weight;
}
bool ShardWorld::RoutableOf(const std::string& id) {
  const FrameEntry* entry = EntryOf(id);
  return entry != nullptr && entry->state.routable;
}
uint32_t ShardWorld::HandleOf(const std::string& id) {
  const FrameEntry* entry = EntryOf(id);
  return entry == nullptr ? 0 : entry->handle;
}

int ShardWorld::Events(const std::string& type) const {
  int count = 0;
  for (const EventOut& event : events) count += event.type == type ? 1 : 0;
  return count;
}

namespace {

TEST(SliceMirrorTest, AppliesOnlyWhatItsPairAllows) {
  SliceMirror mirror;
  Frame frame;
  frame.epoch = 2;
  frame.base = 3;
  frame.to = 4;
  EXPECT_FALSE(mirror.Apply(frame)) << "a delta on nothing";
  frame.base = 0;
  frame.head = FrameHead{};
  EXPECT_TRUE(mirror.Apply(frame));
  EXPECT_FALSE(mirror.Apply(frame)) << "the same pair again";
  frame.base = 5;
  frame.to = 6;
  EXPECT_FALSE(mirror.Apply(frame)) << "a gap";
  frame.base = 2;
  EXPECT_TRUE(mirror.Apply(frame)) << "overlap";
  frame.epoch = 1;
  frame.base = 0;
  frame.to = 99;
  EXPECT_FALSE(mirror.Apply(frame)) << "a lower epoch";
  frame.epoch = 3;
  frame.base = 6;
  EXPECT_FALSE(mirror.Apply(frame)) << "another lineage";
  frame.continues = {2, 6};
  EXPECT_TRUE(mirror.Apply(frame));
}

}  // namespace
}  // namespace pointsman::controller
