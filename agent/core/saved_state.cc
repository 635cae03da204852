#include "agent/core/saved_state.h"

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "agent/core/agent_config.h"
#include "common/core/status_macros.h"

namespace pointsman::agent {
namespace {

constexpr absl::string_view kHeader = "pointsman-agent-state 1";

// Text of any content as one word.
std::string Word(absl::string_view text) {
  return text.empty() ? "-" : absl::WebSafeBase64Escape(text);
}

// Reads one line's words in order; after a bad one, ok() stays false.
class Words {
 public:
  explicit Words(absl::string_view line) : words_(absl::StrSplit(line, ' ')) {}

  absl::string_view Plain() {
    if (at_ < words_.size()) return words_[at_++];
    ok_ = false;
    return "";
  }
  template <typename T>
  T Number() {
    T value = 0;
    if (!absl::SimpleAtoi(Plain(), &value)) ok_ = false;
    return value;
  }
  std::string Text() {
    const absl::string_view word = Plain();
    std::string text;
    if (word != "-" && !absl::WebSafeBase64Unescape(word, &text)) ok_ = false;
    return text;
  }
  CarriedCounter::Saved Counter() {
    CarriedCounter::Saved counter;
    counter.carried = Number<uint64_t>();
    counter.last = Number<uint64_t>();
    counter.seen = Number<int>() != 0;
    return counter;
  }
  bool more() const { return ok_ && at_ < words_.size(); }
  // Everything was read and nothing was bad.
  bool Complete() const { return ok_ && at_ == words_.size(); }

 private:
  std::vector<absl::string_view> words_;
  size_t at_ = 0;
  bool ok_ = true;
};

void AppendCounter(const CarriedCounter::Saved& counter, std::string* out) {
  absl::StrAppend(out, " ", counter.carried, " ", counter.last, " ", counter.seen ? 1 : 0);
}

void AppendInstance(const SavedInstance& instance, std::string* out) {
  absl::StrAppend(out, "instance ", Word(instance.service), " ", Word(instance.id), " ",
                  instance.restarts, " ", instance.process_seen ? 1 : 0, " ",
                  instance.process_gone ? 1 : 0, " ", instance.pid, " ", instance.process_start);
  AppendCounter(instance.requests, out);
  AppendCounter(instance.errors, out);
  const RestartPolicy::Saved& restart = instance.restart;
  absl::StrAppend(out, " ", restart.tries, " ", restart.earliest_micros, " ", restart.request_id,
                  " ", restart.lease_until_micros, "\n");
  for (const SavedCheck& check : instance.checks) {
    absl::StrAppend(out, "check ", Word(check.name), " ", static_cast<int>(check.machine.status),
                    " ", check.machine.since_micros, " ", check.machine.usual_micros, "\n");
  }
}

SavedInstance ReadInstance(Words& words) {
  SavedInstance instance;
  instance.service = words.Text();
  instance.id = words.Text();
  instance.restarts = words.Number<uint64_t>();
  instance.process_seen = words.Number<int>() != 0;
  instance.process_gone = words.Number<int>() != 0;
  instance.pid = words.Number<int64_t>();
  instance.process_start = words.Number<uint64_t>();
  instance.requests = words.Counter();
  instance.errors = words.Counter();
  instance.restart.tries = words.Number<uint32_t>();
  instance.restart.earliest_micros = words.Number<int64_t>();
  instance.restart.request_id = words.Number<uint64_t>();
  instance.restart.lease_until_micros = words.Number<int64_t>();
  return instance;
}

// False: the line makes no sense there.
bool ReadLine(absl::string_view line, SavedState& state) {
  Words words(line);
  const absl::string_view kind = words.Plain();
  if (kind == "boot") {
    state.host_boot = words.Text();
    state.boot_id = words.Number<uint64_t>();
    state.reserved_id = words.Number<uint64_t>();
  } else if (kind == "service") {
    SavedService& service = state.services.emplace_back();
    service.service = words.Text();
    service.assignment = words.Text();
    while (words.more() && service.restart_starts_micros.size() < 1000) {
      service.restart_starts_micros.push_back(words.Number<int64_t>());
    }
  } else if (kind == "instance" && state.instances.size() < kInstancesMax) {
    state.instances.push_back(ReadInstance(words));
  } else if (kind == "check" && !state.instances.empty()) {
    SavedCheck& check = state.instances.back().checks.emplace_back();
    check.name = words.Text();
    const int status = words.Number<int>();
    if (!v1::CheckStatus_IsValid(status)) return false;
    check.machine.status = static_cast<v1::CheckStatus>(status);
    check.machine.since_micros = words.Number<int64_t>();
    // An older agent did not write it.
    if (words.more()) check.machine.usual_micros = words.Number<int64_t>();
    if (check.machine.usual_micros < 0) return false;
  } else {
    return false;
  }
  return words.Complete();
}

}  // namespace

std::string EncodeState(const SavedState& state) {
  std::string out = absl::StrCat(kHeader, "\nboot ", Word(state.host_boot), " ", state.boot_id, " ",
                                 state.reserved_id, "\n");
  for (const SavedService& service : state.services) {
    absl::StrAppend(&out, "service ", Word(service.service), " ", Word(service.assignment));
    for (const int64_t start : service.restart_starts_micros) absl::StrAppend(&out, " ", start);
    absl::StrAppend(&out, "\n");
  }
  for (const SavedInstance& instance : state.instances) AppendInstance(instance, &out);
  absl::StrAppend(&out, "end\n");
  return out;
}

absl::StatusOr<SavedState> DecodeState(absl::string_view text) {
  const std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  if (lines.size() < 3 || lines[0] != kHeader) {
    return absl::InvalidArgumentError("line 1: not an agent's state file of this version");
  }
  SavedState state;
  for (size_t i = 1; i < lines.size(); ++i) {
    if (lines[i] == "end") {
      if (state.boot_id == 0) return absl::InvalidArgumentError("no boot id");
      return state;
    }
    if (!ReadLine(lines[i], state)) {
      return absl::InvalidArgumentError(absl::StrCat("line ", i + 1, ": does not parse"));
    }
  }
  return absl::InvalidArgumentError("the last line is missing");
}

}  // namespace pointsman::agent
