#include "gateway/handover.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/clock.h"
#include "common/core/status_macros.h"

namespace pointsman::gateway {
namespace {

constexpr absl::string_view kHead = "pointsman-handover 1";
constexpr absl::string_view kListener = "listener ";
constexpr absl::string_view kAdmin = "admin ";
constexpr absl::string_view kTickets = "tickets ";
constexpr absl::string_view kTable = "table";
constexpr absl::string_view kEnd = "end";
constexpr absl::string_view kReady = "ready";
constexpr absl::string_view kFailed = "failed ";
constexpr absl::string_view kGo = "go";
// The kernel carries at most 253 in one message.
constexpr size_t kDescriptorsPerMessage = 200;
// A message's text; places of all listeners fit.
constexpr size_t kTextBytesMax = 8192;
constexpr size_t kWhyBytesMax = 2000;

struct Message {
  std::string text;
  std::vector<Fd> descriptors;
};

absl::Status Errno(absl::string_view what) {
  const int error = errno;
  const std::string text = absl::StrCat(what, ": ", std::strerror(error));
  if (error == EPIPE || error == ECONNRESET) return absl::UnavailableError(text);
  return absl::ResourceExhaustedError(text);
}

absl::Status Send(int socket, absl::string_view text, const int* descriptors, size_t count) {
  iovec part{const_cast<char*>(text.data()), text.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(kDescriptorsPerMessage * sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (count > 0) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    std::memcpy(CMSG_DATA(header), descriptors, count * sizeof(int));
  }
  if (sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return absl::OkStatus();
  return Errno("hand-over");
}

absl::Status Send(int socket, absl::string_view text, int descriptor = -1) {
  return Send(socket, text, &descriptor, descriptor < 0 ? 0 : 1);
}

void TakeDescriptors(msghdr* message, std::vector<Fd>* out) {
  for (cmsghdr* header = CMSG_FIRSTHDR(message); header != nullptr;
       header = CMSG_NXTHDR(message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
      out->push_back(Fd(fd));
    }
  }
}

// One message that is there, or comes before the deadline.
absl::StatusOr<Message> Receive(int socket, common::MonotonicTime deadline) {
  pollfd waiting{socket, POLLIN, 0};
  while (true) {
    const absl::Duration left = deadline - common::SystemClock().Now();
    const auto millis = static_cast<int>(std::clamp<int64_t>(
        absl::ToInt64Milliseconds(absl::Ceil(left, absl::Milliseconds(1))), 0, 3'600'000));
    const int result = poll(&waiting, 1, millis);
    if (result > 0) break;
    if (result == 0 && deadline <= common::SystemClock().Now()) {
      return absl::DeadlineExceededError("hand-over: the other process says nothing");
    }
  }
  Message out;
  out.text.resize(kTextBytesMax);
  iovec part{out.text.data(), out.text.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(kDescriptorsPerMessage * sizeof(int))];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  const ssize_t got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (got < 0) return Errno("hand-over");
  TakeDescriptors(&message, &out.descriptors);
  if (got == 0) return absl::UnavailableError("hand-over: the other process is gone");
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
    return absl::InvalidArgumentError("hand-over: a message is too long");
  }
  out.text.resize(static_cast<size_t>(got));
  return out;
}

bool Listens(int fd) {
  int value = 0;
  socklen_t size = sizeof(value);
  return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) == 0 && value == 1;
}

// In the kernel's memory: a table is larger than a message.
absl::StatusOr<Fd> WriteTable(absl::string_view bytes) {
  Fd fd(memfd_create("pointsman-table", MFD_CLOEXEC));
  if (!fd.valid()) return Errno("hand-over: table");
  while (!bytes.empty()) {
    const ssize_t written = write(fd.get(), bytes.data(), bytes.size());
    if (written < 0) return Errno("hand-over: table");
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return fd;
}

absl::StatusOr<std::string> ReadTable(int fd) {
  struct stat facts {};
  if (fstat(fd, &facts) != 0 || !S_ISREG(facts.st_mode) || facts.st_size < 0 ||
      static_cast<size_t>(facts.st_size) > Handover::kTableBytesMax) {
    return absl::InvalidArgumentError("hand-over: not a table");
  }
  std::string bytes(static_cast<size_t>(facts.st_size), '\0');
  size_t at = 0;
  while (at < bytes.size()) {
    const ssize_t got = pread(fd, bytes.data() + at, bytes.size() - at, static_cast<off_t>(at));
    if (got <= 0) return absl::InvalidArgumentError("hand-over: the table is cut short");
    at += static_cast<size_t>(got);
  }
  return bytes;
}

absl::Status SendListener(int socket, const HandedListener& listener) {
  const std::string text = absl::StrCat(kListener, listener.wanted);
  std::vector<int> descriptors;
  for (const Fd& fd : listener.sockets) descriptors.push_back(fd.get());
  size_t at = 0;
  do {
    const size_t count = std::min(descriptors.size() - at, kDescriptorsPerMessage);
    // What follows under the same text belongs to the same listener.
    PM_RETURN_IF_ERROR(Send(socket, at == 0 ? text : kListener, descriptors.data() + at, count));
    at += count;
  } while (at < descriptors.size());
  return absl::OkStatus();
}

// Puts the message's sockets into the hand-over.
absl::Status AddListener(absl::string_view wanted, std::vector<Fd> sockets, Handover* out) {
  for (const Fd& fd : sockets) {
    if (!Listens(fd.get())) return absl::InvalidArgumentError("hand-over: no socket that listens");
  }
  if (!wanted.empty()) out->listeners.push_back({std::string(wanted), {}});
  if (out->listeners.empty() || out->listeners.size() > Handover::kListenersMax) {
    return absl::InvalidArgumentError("hand-over: too many listeners, or a socket of none");
  }
  std::vector<Fd>& known = out->listeners.back().sockets;
  for (Fd& fd : sockets) known.push_back(std::move(fd));
  if (known.size() > Handover::kSocketsMax) {
    return absl::InvalidArgumentError("hand-over: too many sockets");
  }
  return absl::OkStatus();
}

absl::Status Take(Message message, Handover* out) {
  absl::string_view text = message.text;
  if (absl::ConsumePrefix(&text, kListener)) {
    return AddListener(text, std::move(message.descriptors), out);
  }
  if (absl::ConsumePrefix(&text, kTickets)) {
    // Another version's: clients make a full handshake, which is no reason to stop.
    if (auto tickets = DecodeTickets(text); tickets.ok()) out->tickets = *std::move(tickets);
    return absl::OkStatus();
  }
  if (message.descriptors.size() != 1) {
    return absl::InvalidArgumentError("hand-over: one descriptor is missing, or one too many came");
  }
  if (absl::ConsumePrefix(&text, kAdmin)) {
    if (!Listens(message.descriptors[0].get())) {
      return absl::InvalidArgumentError("hand-over: no socket that listens");
    }
    out->admin = {std::string(text), std::move(message.descriptors)};
    return absl::OkStatus();
  }
  if (text != kTable) return absl::InvalidArgumentError("hand-over: an unknown message");
  PM_ASSIGN_OR_RETURN(out->table, ReadTable(message.descriptors[0].get()));
  return absl::OkStatus();
}

}  // namespace

absl::Status SendHandover(int socket, const Handover& handover) {
  PM_RETURN_IF_ERROR(Send(socket, kHead));
  for (const HandedListener& listener : handover.listeners) {
    PM_RETURN_IF_ERROR(SendListener(socket, listener));
  }
  if (!handover.admin.sockets.empty()) {
    PM_RETURN_IF_ERROR(
        Send(socket, absl::StrCat(kAdmin, handover.admin.wanted), handover.admin.sockets[0].get()));
  }
  if (!handover.tickets.empty()) {
    PM_RETURN_IF_ERROR(Send(socket, absl::StrCat(kTickets, EncodeTickets(handover.tickets))));
  }
  if (!handover.table.empty()) {
    PM_ASSIGN_OR_RETURN(const Fd table, WriteTable(handover.table));
    PM_RETURN_IF_ERROR(Send(socket, kTable, table.get()));
  }
  return Send(socket, kEnd);
}

absl::StatusOr<Handover> ReceiveHandover(int socket, absl::Duration wait) {
  const common::MonotonicTime deadline = common::SystemClock().Now() + wait;
  PM_ASSIGN_OR_RETURN(const Message head, Receive(socket, deadline));
  if (head.text != kHead) {
    return absl::InvalidArgumentError("hand-over: the other process is of another version");
  }
  Handover out;
  while (true) {
    PM_ASSIGN_OR_RETURN(Message message, Receive(socket, deadline));
    if (message.text == kEnd) return out;
    PM_RETURN_IF_ERROR(Take(std::move(message), &out));
  }
}

absl::Status SendReady(int socket, const std::vector<bool>& taken) {
  std::string text(kReady);
  for (size_t i = 0; i < taken.size(); ++i) {
    if (taken[i]) absl::StrAppend(&text, " ", i);
  }
  return Send(socket, text);
}

absl::Status SendFailed(int socket, absl::string_view why) {
  return Send(socket, absl::StrCat(kFailed, why.substr(0, kWhyBytesMax)));
}

absl::StatusOr<std::vector<bool>> ReceiveAnswer(int socket, size_t listeners) {
  PM_ASSIGN_OR_RETURN(const Message message, Receive(socket, common::SystemClock().Now()));
  absl::string_view text = message.text;
  if (absl::ConsumePrefix(&text, kFailed)) return absl::AbortedError(text);
  if (!absl::ConsumePrefix(&text, kReady)) {
    return absl::InvalidArgumentError("hand-over: not an answer");
  }
  std::vector<bool> taken(listeners);
  for (const absl::string_view word : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    size_t place = 0;
    if (!absl::SimpleAtoi(word, &place) || place >= listeners) {
      return absl::InvalidArgumentError("hand-over: a listener that was not handed over");
    }
    taken[place] = true;
  }
  return taken;
}

absl::Status SendGo(int socket) { return Send(socket, kGo); }

void AwaitGo(int socket) {
  // Whatever it is: the word, or the end of the other process.
  static_cast<void>(Receive(socket, common::MonotonicTime::Infinite()));
}

absl::StatusOr<Fd> HandoverFromEnvironment() {
  const char* value = std::getenv(kHandoverVariable);
  if (value == nullptr) return Fd();
  int fd = -1;
  int domain = 0;
  int type = 0;
  socklen_t size = sizeof(int);
  const bool good = absl::SimpleAtoi(value, &fd) && fd > STDERR_FILENO &&
                    getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
                    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && domain == AF_UNIX &&
                    type == SOCK_SEQPACKET && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
  const std::string text(value);
  unsetenv(kHandoverVariable);
  if (good) return Fd(fd);
  return absl::InvalidArgumentError(
      absl::StrCat(kHandoverVariable, "=", text, ": not a socket of a gateway that hands over"));
}

}  // namespace pointsman::gateway
