#pragma once

// What a gateway process gives the one that takes its place, over a unix socket between the two:
// the very sockets it listens on, so that no connection that waits on them is lost, its table, and
// the keys that let its clients resume their TLS sessions.
//
// The old process sends a head, its listeners in its own order, the admin socket, the keys of its
// session tickets, the table (in memory of its own), an end. The new one answers "ready", with the
// listeners it has taken, or "failed"; the old one then says "go" and stops accepting, and only
// then the new one accepts. Messages are small and kept whole (SOCK_SEQPACKET). Both sides check
// what they receive: the other may be another version. Thread-safe (no state).

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "gateway/net/fd.h"
#include "gateway/tls/ticket_keys.h"

namespace pointsman::gateway {

// Names the descriptor of the socket to a new process.
inline constexpr char kHandoverVariable[] = "POINTSMAN_HANDOVER";

struct HandedListener {
  // The address as it was configured: port 0 stays 0.
  std::string wanted;
  std::vector<Fd> sockets;
};

struct Handover {
  static constexpr size_t kListenersMax = 1024;
  static constexpr size_t kSocketsMax = 16'384;
  static constexpr size_t kTableBytesMax = size_t{1} << 30;

  std::vector<HandedListener> listeners;
  // Invalid: none.
  HandedListener admin;
  // Of TLS sessions; empty: none.
  TicketRing tickets;
  // As EncodeSnapshot() writes it; empty: none.
  std::string table;
};

// What a new process was given, and by whom.
struct Predecessor {
  Fd socket;
  Handover handover;
};

// Never blocks. ResourceExhausted: no descriptors, or the socket takes no more; Unavailable: the
// other side is gone.
absl::Status SendHandover(int socket, const Handover& handover);
// Waits at most `wait`. InvalidArgument: what came is no hand-over of this version;
// DeadlineExceeded; Unavailable: the other side is gone.
absl::StatusOr<Handover> ReceiveHandover(int socket, absl::Duration wait);

// The new process's answer. `taken`: by place in Handover::listeners.
absl::Status SendReady(int socket, const std::vector<bool>& taken);
absl::Status SendFailed(int socket, absl::string_view why);
// Once the answer can be read; `listeners`: how many were handed over. Unavailable: the other side
// is gone; Aborted: it failed, and why; InvalidArgument: not an answer.
absl::StatusOr<std::vector<bool>> ReceiveAnswer(int socket, size_t listeners);

absl::Status SendGo(int socket);
// Blocks until the old process says go, or is gone: either way it accepts no more.
void AwaitGo(int socket);

// The socket that kHandoverVariable names, which is removed from the environment; invalid: the
// variable is not set. InvalidArgument: it names no such socket. Before any thread.
absl::StatusOr<Fd> HandoverFromEnvironment();

}  // namespace pointsman::gateway
