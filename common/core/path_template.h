#pragma once

// Templates of paths, "/users/{id}/orders/{rest=**}": {name} or * is one segment that is not
// empty, {name=**} or ** at the end are all that follow, one byte at least; everything else is
// literal. Values; thread-compatible.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pointsman::common {

// Takes the segment in front of `*path`, which is what follows a "/"; afterwards it is what follows
// the next one, with null data: nothing does.
absl::string_view TakeSegment(absl::string_view* path);

// What of a segment literal text is compared with: up to where it ends for a server that cuts
// parameters off or decodes it ("admin" of "admin;x"), so that a route is not left by writing such.
absl::string_view UpToBorder(absl::string_view segment);

class PathTemplate {
 public:
  static constexpr size_t kSegmentsMax = 32;

  struct Segment {
    enum class Kind : uint8_t { kLiteral, kOne, kRest };
    Kind kind = Kind::kLiteral;
    std::string text;  // The literal, or the name; a name may be empty.
  };

  PathTemplate() = default;
  // InvalidArgument: does not begin with "/"; a segment has a brace that is not around all of it; a
  // name is no identifier or comes twice; ** is not at the end; ResourceExhausted: more than
  // kSegmentsMax.
  static absl::StatusOr<PathTemplate> Parse(absl::string_view text);

  // What the part of this name is in `path`; nullopt: there is none of this name, or the path does
  // not match. O(path).
  std::optional<absl::string_view> Capture(absl::string_view path, absl::string_view name) const;
  bool Has(absl::string_view name) const;
  const std::vector<Segment>& segments() const { return segments_; }

 private:
  std::vector<Segment> segments_;
};

}  // namespace pointsman::common
