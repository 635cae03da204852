#pragma once

// Words to write the configuration's rules in: each checks one field and notes a problem. Used by
// the files of rules and by those that read a file of their own. Thread-compatible.

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/core/config_problem.h"
#include "google/protobuf/duration.pb.h"

namespace pointsman::common {

// Where a rule is looked at: "services[0].checks[1]". Cheap to pass on; makes text only when a
// problem is noted.
class RulePath {
 public:
  RulePath() = default;
  // A path points at the one it came from, which must live as long: temporaries have no children.
  RulePath Field(absl::string_view name) const& { return RulePath(this, name, -1); }
  RulePath Field(absl::string_view name) const&& = delete;
  RulePath Entry(absl::string_view name, int index) const& { return RulePath(this, name, index); }
  RulePath Entry(absl::string_view name, int index) const&& = delete;
  std::string Text() const;

 private:
  RulePath(const RulePath* parent, absl::string_view name, int index)
      : parent_(parent), name_(name), index_(index) {}

  const RulePath* parent_ = nullptr;
  absl::string_view name_;
  int index_ = -1;
};

// A closed range, with how it is written.
template <typename T>
struct Range {
  T min;
  T max;
};

class Rules {
 public:
  explicit Rules(ProblemList* problems) : problems_(*problems) {}

  void Broken(absl::string_view code, const RulePath& path, std::string message);

  // Absent passes, unless said otherwise.
  void DurationIn(const RulePath& path, bool present, const google::protobuf::Duration& value,
                  Range<absl::Duration> range);
  // Zero passes too: it says that there is no such limit.
  void DurationInOrZero(const RulePath& path, bool present, const google::protobuf::Duration& value,
                        Range<absl::Duration> range);
  // NaN is out of every range.
  void NumberIn(const RulePath& path, double value, Range<double> range);
  void CountIn(const RulePath& path, uint64_t value, Range<uint64_t> range);
  // At most so many entries.
  void EntriesAtMost(const RulePath& path, int entries, int max);
  void BytesAtMost(const RulePath& path, absl::string_view text, size_t max);
  void IsToken(const RulePath& path, absl::string_view text, size_t bytes_max);
  void CompilesAsPattern(const RulePath& path, const std::string& pattern);
  void IsKnownEnum(const RulePath& path, bool valid, int number);
  // No control characters but tab, as a header's value.
  void IsHeaderValue(const RulePath& path, absl::string_view text);
  void IsEndpointAddress(const RulePath& path, const std::string& text);

 private:
  // `besides`: what passes, too.
  void OutOfRange(const RulePath& path, const google::protobuf::Duration& value,
                  absl::string_view besides, Range<absl::Duration> range);

  ProblemList& problems_;
};

}  // namespace pointsman::common
