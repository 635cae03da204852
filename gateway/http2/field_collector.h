#pragma once

// Collects the decoded fields of one HTTP/2 head or trailer section into the message model, and
// keeps the rules of RFC 9113 8 that the frame library leaves to its user (docs/design/http2.md
// names each). Sizes are counted after decompression, with the overhead of each field, so that a
// small block cannot become a large head. Thread-compatible; the head belongs to the caller.

#include <cstddef>

#include "absl/strings/string_view.h"
#include "gateway/http/message.h"

namespace pointsman::gateway {

class FieldCollector {
 public:
  // RFC 9113 6.5.2: what a field counts beside its name and value.
  static constexpr size_t kFieldOverheadBytes = 32;

  explicit FieldCollector(const HeadLimits& limits) : limits_(limits) {}

  // Each begins a section; a head is cleared, trailers are added behind the head's fields.
  void StartRequest(RequestHead* head);
  void StartResponse(ResponseHead* head);
  void StartTrailers(HeaderBlock* block);
  // Fields are thrown away (nobody wants them any more).
  void StartNothing();

  // One decoded field, pseudo-fields included. After a limit was reached the rest is only counted.
  void Add(absl::string_view name, absl::string_view value);

  // The section is complete: kNone, or why it is refused. `end`: no body follows.
  Reason FinishRequest(bool end);
  // `asked`: what the request asked to change to.
  Reason FinishResponse(Method request_method, Upgrade asked, bool end);
  Reason FinishTrailers();

 private:
  enum class Place { kNothing, kRequest, kResponse, kTrailers };

  void Start(Place place, HeaderBlock* block, size_t fields_max);
  void AddPseudo(absl::string_view name, absl::string_view value);
  void AddRegular(absl::string_view name, absl::string_view value);
  TextRef Keep(absl::string_view text);
  Reason CheckTarget();
  Reason CheckAuthority();
  // CONNECT: the one kind that is taken asks for a protocol (RFC 8441 4).
  Reason TakeConnect(bool end);
  Reason ReadRegularFields(bool* has_length, int64_t* length);
  void JoinCookies();

  const HeadLimits limits_;
  Place place_ = Place::kNothing;
  HeaderBlock* block_ = nullptr;
  RequestHead* request_ = nullptr;
  ResponseHead* response_ = nullptr;
  size_t fields_max_ = 0;
  size_t fields_ = 0;
  size_t bytes_ = 0;
  size_t cookies_ = 0;
  bool has_scheme_ = false;
  bool has_protocol_ = false;
  Reason reason_ = Reason::kNone;
};

}  // namespace pointsman::gateway
