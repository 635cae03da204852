#include "agent/load/sampler.h"

#include <fcntl.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/load/proc_text.h"

namespace pointsman::agent {
namespace {

constexpr size_t kFileBytesMax = 16 << 10;
// Sources of CPU readings of a cgroup; a process is told apart by its start and pid.
constexpr uint64_t kCgroupSource = 1;

}  // namespace

Sampler::Sampler(SamplerOptions options)
    : options_(std::move(options)),
      ticks_per_second_(static_cast<double>(sysconf(_SC_CLK_TCK))),
      page_bytes_(static_cast<uint64_t>(sysconf(_SC_PAGESIZE))) {
  buffer_.reserve(kFileBytesMax);
}

bool Sampler::Load(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  buffer_.resize(kFileBytesMax);
  size_t size = 0;
  while (size < kFileBytesMax) {
    const ssize_t n = read(fd, buffer_.data() + size, kFileBytesMax - size);
    if (n <= 0) break;
    size += static_cast<size_t>(n);
  }
  close(fd);
  buffer_.resize(size);
  return true;
}

HostReading Sampler::ReadHost() {
  HostReading reading;
  if (Load(options_.proc_root + "/stat")) {
    const absl::StatusOr<CpuReading> cpu = ParseProcStat(buffer_, ticks_per_second_);
    if (cpu.ok()) reading.cpu = *cpu;
    if (!cpu.ok()) ++unreadable_;
  }
  if (Load(options_.proc_root + "/meminfo")) {
    const absl::StatusOr<double> memory = ParseMeminfo(buffer_);
    if (memory.ok()) reading.memory_share = *memory;
    if (!memory.ok()) ++unreadable_;
  }
  return reading;
}

InstanceReading Sampler::ReadInstance(const SampleTarget& target) {
  InstanceReading reading;
  if (!target.cgroup.empty() && ReadCgroup(target.cgroup, &reading)) return reading;
  if (target.pid > 0) ReadProcess(target.pid, &reading);
  return reading;
}

bool Sampler::ReadCgroup(const std::string& cgroup, InstanceReading* reading) {
  const std::string folder = absl::StrCat(options_.cgroup_root, "/", cgroup);
  if (!Load(folder + "/cpu.stat")) return false;
  const absl::StatusOr<double> used = ParseCgroupCpuStat(buffer_);
  if (!used.ok()) {
    ++unreadable_;
    return false;
  }
  CpuReading cpu{.used_seconds = *used, .available_seconds = {}, .source = kCgroupSource};
  if (Load(folder + "/cpu.max")) {
    const absl::StatusOr<std::optional<double>> limit = ParseCgroupCpuMax(buffer_);
    if (!limit.ok()) ++unreadable_;
    if (limit.ok() && limit->has_value()) cpu.limit_cpus = **limit;
  }
  reading->cpu = cpu;
  if (Load(folder + "/memory.current")) {
    const absl::StatusOr<uint64_t> bytes = ParseNumber(buffer_);
    if (bytes.ok()) reading->memory_bytes = *bytes;
    if (!bytes.ok()) ++unreadable_;
  }
  return true;
}

void Sampler::ReadProcess(int64_t pid, InstanceReading* reading) {
  if (!Load(absl::StrCat(options_.proc_root, "/", pid, "/stat"))) return;
  const absl::StatusOr<ProcessStat> stat = ParseProcessStat(buffer_, ticks_per_second_);
  if (!stat.ok()) {
    ++unreadable_;
    return;
  }
  // Two processes of one pid differ in their start; the low values are kept for other sources.
  const uint64_t source = (stat->start_ticks << 22) + static_cast<uint64_t>(pid) + kCgroupSource;
  reading->cpu =
      CpuReading{.used_seconds = stat->cpu_seconds, .available_seconds = {}, .source = source};
  reading->memory_bytes = stat->resident_pages * page_bytes_;
}

}  // namespace pointsman::agent
