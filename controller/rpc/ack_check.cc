#include "controller/rpc/ack_check.h"

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/core/status_macros.h"
#include "controller/core/codes.h"
#include "pointsman/v1/gateway.pb.h"

namespace pointsman::controller {
namespace {

constexpr char kAckInvalid[] = "ACK_INVALID";
constexpr int kSlicesMax = 10'000;
constexpr size_t kNameBytesMax = 63;
constexpr int64_t kApplySecondsMax = 24 * 3600;

bool IsServiceId(const std::string& text) {
  if (text.empty() || text.size() > kNameBytesMax) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_islower(static_cast<unsigned char>(c)) ||
           absl::ascii_isdigit(static_cast<unsigned char>(c)) || c == '-';
  });
}

bool IsCode(const std::string& text) {
  if (text.empty() || text.size() > kNameBytesMax) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isupper(static_cast<unsigned char>(c)) ||
           absl::ascii_isdigit(static_cast<unsigned char>(c)) || c == '_';
  });
}

absl::Status CheckVersion(const char* code, const v1::Version& version) {
  if (version.epoch() <= kPresentedMax && version.revision() <= kPresentedMax) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(code, ": version is (", version.epoch(), ", ",
                                                 version.revision(), "), at most ", kPresentedMax));
}

absl::Status Refuse(const char* what) {
  return absl::InvalidArgumentError(absl::StrCat(kAckInvalid, ": ", what));
}

}  // namespace

absl::Status ValidateHeld(const v1::GatewayHello& hello) {
  PM_RETURN_IF_ERROR(CheckVersion(kHelloInvalid, hello.config()));
  for (const v1::HeldSlice& held : hello.slices()) {
    PM_RETURN_IF_ERROR(CheckVersion(kHelloInvalid, held.version()));
  }
  return absl::OkStatus();
}

absl::Status ValidateAck(const v1::Ack& ack) {
  if (ack.slices_size() > kSlicesMax || ack.nacks_size() > kSlicesMax) {
    return Refuse("more than 10,000 slices or nacks");
  }
  const int64_t seconds = ack.apply_duration().seconds();
  const int32_t nanos = ack.apply_duration().nanos();
  if (seconds < 0 || seconds > kApplySecondsMax || nanos < 0 || nanos >= 1'000'000'000) {
    return Refuse("apply_duration is negative or above a day");
  }
  PM_RETURN_IF_ERROR(CheckVersion(kAckInvalid, ack.config()));
  for (const v1::HeldSlice& held : ack.slices()) {
    if (!IsServiceId(held.service())) return Refuse("slices: service is not a name");
    PM_RETURN_IF_ERROR(CheckVersion(kAckInvalid, held.version()));
  }
  for (const v1::Nack& nack : ack.nacks()) {
    if (!nack.service().empty() && !IsServiceId(nack.service())) {
      return Refuse("nacks: service is not a name");
    }
    if (!IsCode(nack.code())) return Refuse("nacks: code must be 1 to 63 bytes of [A-Z0-9_]");
  }
  return absl::OkStatus();
}

}  // namespace pointsman::controller
