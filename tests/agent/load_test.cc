// Reading the kernel's files (recorded trees in testdata) and a service's own metrics.

#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "agent/load/proc_text.h"
#include "agent/load/sampler.h"
#include "agent/load/service_metrics.h"
#include "gtest/gtest.h"

namespace pointsman::agent {
namespace {

// The tree's testdata, from the test program upwards.
std::string TestData() {
  std::filesystem::path folder = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  while (!std::filesystem::exists(folder / "tests/agent/testdata") && folder.has_relative_path()) {
    folder = folder.parent_path();
  }
  return (folder / "tests/agent/testdata").string();
}

SamplerOptions Tree(const std::string& name) {
  const std::string folder = absl::StrCat(TestData(), "/", name);
  return {.proc_root = folder + "/proc", .cgroup_root = folder + "/cgroup"};
}

TEST(SamplerTest, ReadsTheHost) {
  Sampler sampler(Tree("host"));
  const HostReading reading = sampler.ReadHost();
  ASSERT_TRUE(reading.cpu.has_value());
  const double ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  EXPECT_DOUBLE_EQ(reading.cpu->used_seconds, (4705 + 356 + 584 + 23 + 277 + 40) / ticks);
  EXPECT_DOUBLE_EQ(*reading.cpu->available_seconds,
                   (4705 + 356 + 584 + 3699176 + 23060 + 23 + 277 + 40) / ticks);
  EXPECT_DOUBLE_EQ(*reading.memory_share, 0.25);
  EXPECT_EQ(sampler.unreadable(), 0u);
}

TEST(SamplerTest, PrefersTheCgroupAndItsLimit) {
  Sampler sampler(Tree("host"));
  const InstanceReading web = sampler.ReadInstance({.cgroup = "web.service", .pid = 4242});
  EXPECT_DOUBLE_EQ(web.cpu->used_seconds, 7.5);
  EXPECT_DOUBLE_EQ(web.cpu->limit_cpus, 1.5);
  EXPECT_EQ(*web.memory_bytes, 123456789u);
  const InstanceReading unlimited = sampler.ReadInstance({.cgroup = "unlimited.service", .pid = 0});
  EXPECT_DOUBLE_EQ(unlimited.cpu->limit_cpus, 1);
  EXPECT_EQ(*unlimited.memory_bytes, 4096u);
}

TEST(SamplerTest, FallsBackToTheProcess) {
  Sampler sampler(Tree("host"));
  for (const std::string& cgroup : {std::string(), std::string("absent.service")}) {
    const InstanceReading web = sampler.ReadInstance({.cgroup = cgroup, .pid = 4242});
    ASSERT_TRUE(web.cpu.has_value());
    EXPECT_DOUBLE_EQ(web.cpu->used_seconds, 1500.0 / static_cast<double>(sysconf(_SC_CLK_TCK)));
    EXPECT_EQ(*web.memory_bytes, 2048u * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)));
    // Another source than the cgroup: no difference is taken across the two.
    EXPECT_NE(web.cpu->source, sampler.ReadInstance({.cgroup = "web.service"}).cpu->source);
  }
}

TEST(SamplerTest, WhatIsNotThereIsAbsent) {
  Sampler sampler({.proc_root = "/nowhere", .cgroup_root = "/nowhere"});
  EXPECT_FALSE(sampler.ReadHost().cpu.has_value());
  const InstanceReading reading = sampler.ReadInstance({.cgroup = "web.service", .pid = 1});
  EXPECT_FALSE(reading.cpu.has_value());
  EXPECT_FALSE(reading.memory_bytes.has_value());
  EXPECT_EQ(sampler.unreadable(), 0u);
}

TEST(SamplerTest, DamagedFilesAreAbsentAndCounted) {
  Sampler sampler(Tree("damaged"));
  const HostReading host = sampler.ReadHost();
  EXPECT_FALSE(host.cpu.has_value());
  EXPECT_FALSE(host.memory_share.has_value());
  EXPECT_FALSE(sampler.ReadInstance({.cgroup = "web.service", .pid = 4242}).cpu.has_value());
  EXPECT_EQ(sampler.unreadable(), 4u);
}

TEST(SamplerTest, ReadsThisVeryHost) {
  Sampler sampler({});
  EXPECT_TRUE(sampler.ReadHost().cpu.has_value());
  EXPECT_TRUE(sampler.ReadHost().memory_share.has_value());
  EXPECT_GT(*sampler.ReadInstance({.cgroup = "", .pid = getpid()}).memory_bytes, 100'000u);
}

TEST(ProcTextTest, RefusesWhatIsNotInForm) {
  for (const char* text : {"", "cpu", "cpu 1 2 3", "cpu 1 2 3 -4", "intr 1 2 3 4 5"}) {
    EXPECT_FALSE(ParseProcStat(text, 100).ok()) << text;
  }
  for (const char* text : {"", "MemTotal: 0 kB\nMemAvailable: 0 kB", "MemTotal: 5 kB",
                           "MemTotal: 5 kB\nMemAvailable: 6 kB"}) {
    EXPECT_FALSE(ParseMeminfo(text).ok()) << text;
  }
  for (const char* text : {"", "max", "1 0", "0 1", "-1 100", "1 2 3"}) {
    EXPECT_FALSE(ParseCgroupCpuMax(text).ok()) << text;
  }
}

TEST(ServiceMetricsTest, ReadsTheKnownFields) {
  const absl::StatusOr<ServiceMetrics> metrics = ParseServiceMetrics(
      R"({"in_flight": 3, "queue_delay_seconds": 0.002, "utilisation": 0.4,
          "requests": 18446744073709551615, "errors": 7, "name": "web", "extra": [1]})");
  ASSERT_TRUE(metrics.ok()) << metrics.status().message();
  EXPECT_DOUBLE_EQ(*metrics->in_flight, 3);
  EXPECT_EQ(*metrics->queue_delay, absl::Milliseconds(2));
  EXPECT_DOUBLE_EQ(*metrics->utilisation, 0.4);
  EXPECT_EQ(*metrics->requests, 18446744073709551615u);
  EXPECT_EQ(*metrics->errors, 7u);
  const absl::StatusOr<ServiceMetrics> none = ParseServiceMetrics("{}");
  ASSERT_TRUE(none.ok());
  EXPECT_FALSE(none->in_flight.has_value());
}

TEST(ServiceMetricsTest, RefusesBadNumbersWithTheField) {
  const char* kBad[] = {
      R"({"in_flight": -1})",
      R"({"in_flight": NaN})",
      R"({"in_flight": Infinity})",
      R"({"in_flight": 1e999})",
      R"({"in_flight": 1e12})",
      R"({"in_flight": "3"})",
      R"({"utilisation": true})",
      R"({"queue_delay_seconds": -0.1})",
      R"({"queue_delay_seconds": 1e9})",
      R"({"requests": -1})",
      R"({"requests": 1.5})",
      R"({"requests": 1e300})",
      R"({"errors": []})",
  };
  for (const char* text : kBad) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseServiceMetrics(text).status())) << text;
  }
  EXPECT_EQ(ParseServiceMetrics(R"({"errors": []})").status().message(),
            "METRICS_VALUE: errors: not a number");
}

TEST(ServiceMetricsTest, RefusesWhatIsNotOneObject) {
  const std::string whole = R"({"in_flight": 3, "requests": 12})";
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(ParseServiceMetrics(whole.substr(0, size)).ok()) << size;
  }
  for (const std::string& text :
       {std::string("[]"), std::string("3"), std::string("null"), std::string("{}{}"),
        std::string("\xff\xfe"), std::string(60'000, '['), std::string(60'000, '{'),
        std::string("{\"in_flight\": 1\0}", 17)}) {
    EXPECT_FALSE(ParseServiceMetrics(text).ok());
  }
}

}  // namespace
}  // namespace pointsman::agent
