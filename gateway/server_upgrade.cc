// Server: taking another process's place, and giving this one's away.

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "common/core/address.h"
#include "common/core/check.h"
#include "common/core/status_macros.h"
#include "common/log.h"
#include "common/notify.h"
#include "gateway/connections_page.h"
#include "gateway/server.h"

namespace pointsman::gateway {
namespace {

// For a new process to load, to listen and to resolve names.
constexpr absl::Duration kUpgradeWait = absl::Seconds(30);
// For workers to say what connections they have.
constexpr absl::Duration kConnectionsWait = absl::Seconds(1);
constexpr absl::Duration kNamesWait = absl::Seconds(5);
// A page that waits has its answer by then, whatever happens.
constexpr auto kUpgradePageWait = std::chrono::seconds(40);

common::AdminResponse Text(int status, absl::string_view text) {
  return {.status = status, .body = absl::StrCat(text, "\n")};
}

common::AdminResponse ChangeLevel(const common::AdminRequest& request) {
  const auto wanted = request.query.find("level");
  if (wanted == request.query.end()) return Text(400, "say ?level=debug|info|warning|error|off");
  common::LogLevel level = common::LogLevel::kInfo;
  const absl::Status status = common::ParseLogLevel(wanted->second, &level);
  if (!status.ok()) return Text(400, status.message());
  common::ProcessLogger().SetLevel(level);
  return Text(200, common::LogLevelName(level));
}

}  // namespace

// ---- The new process.

std::vector<Engine::Sockets> Server::InheritSockets() {
  std::vector<Engine::Sockets> inherited(listeners_.size());
  if (!predecessor_.has_value()) return inherited;
  std::vector<HandedListener>& handed = predecessor_->handover.listeners;
  taken_.assign(handed.size(), false);
  for (size_t place = 0; place < listeners_.size(); ++place) {
    const std::string wanted = common::ToString(listeners_[place].options.address);
    for (size_t i = 0; i < handed.size() && inherited[place].empty(); ++i) {
      if (taken_[i] || handed[i].wanted != wanted) continue;
      taken_[i] = true;
      inherited[place] = std::move(handed[i].sockets);
    }
  }
  // What is not listened on any more is only the old process's again, which closes it.
  handed.clear();
  return inherited;
}

absl::Status Server::TakeOver() {
  control_->AwaitNames(kNamesWait);
  PM_RETURN_IF_ERROR(SendReady(predecessor_->socket.get(), taken_));
  AwaitGo(predecessor_->socket.get());
  engine_->ReleaseListeners();
  control_->SetActive(true);
  return absl::OkStatus();
}

// ---- The old process.

absl::Status Server::BeginUpgrade() {
  if (replacement_ != nullptr) return absl::OkStatus();  // Whoever asked again waits for the same.
  Handover handover;
  PM_ASSIGN_OR_RETURN(std::vector<Engine::Sockets> sockets, engine_->DuplicateSockets());
  for (size_t place = 0; place < sockets.size(); ++place) {
    handover.listeners.push_back(
        {common::ToString(listeners_[place].options.address), std::move(sockets[place])});
  }
  handover.admin.wanted = options_.admin;
  handover.admin.sockets.push_back(Fd(admin_->DuplicateListener()));
  if (!handover.admin.sockets[0].valid()) return absl::ResourceExhaustedError("no descriptor");
  // Nobody else has sessions that could be resumed.
  if (std::any_of(listeners_.begin(), listeners_.end(),
                  [](const NamedListener& one) { return one.options.tls.has_value(); })) {
    handover.tickets = engine_->tickets();
  }
  handover.table = control_->TableForSuccessor();
  PM_ASSIGN_OR_RETURN(replacement_, Replacement::Begin(options_.program, handover,
                                                       common::SystemClock().Now() + kUpgradeWait));
  common::LogInfo("gateway.upgrade_begun",
                  {{"file", options_.program.file}, {"new_pid", replacement_->pid()}});
  return absl::OkStatus();
}

bool Server::PollUpgrade() {
  auto taken = replacement_->Poll(common::SystemClock().Now());
  if (!taken.has_value()) return false;
  absl::Status result = taken->status();
  if (result.ok()) result = replacement_->Commit();
  if (!result.ok()) {
    EndUpgrade(result);
    return false;
  }
  handed_over_ = **taken;
  common::NotifyMainPid(replacement_->pid());
  EndUpgrade(absl::OkStatus());
  admin_->StopListening();
  control_->SetActive(false);
  return true;
}

void Server::EndUpgrade(const absl::Status& result) {
  if (result.ok()) {
    common::LogInfo("gateway.handed_over", {{"new_pid", replacement_->pid()}});
  } else {
    common::LogError("gateway.upgrade_failed", {{"error", result.ToString()}});
  }
  replacement_.reset();
  common::MutexLock lock(upgrade_mutex_);
  if (upgrade_asked_.has_value()) upgrade_asked_->set_value(result);
  upgrade_asked_.reset();
}

std::optional<common::Signal> Server::AwaitSignal(common::Signals& signals,
                                                  absl::Duration at_most) const {
  if (replacement_ == nullptr) return signals.WaitFor(at_most);
  const absl::Duration left = replacement_->deadline() - common::SystemClock().Now();
  const absl::Duration wait = std::clamp(left, absl::ZeroDuration(), at_most);
  pollfd waiting[] = {{signals.fd(), POLLIN, 0}, {replacement_->fd(), POLLIN, 0}};
  const int result = poll(waiting, 2, static_cast<int>(absl::ToInt64Milliseconds(wait)) + 1);
  PM_CHECK(result >= 0 || errno == EINTR);
  return signals.Poll();
}

// ---- Pages.

common::AdminResponse Server::AnswerUpgrade() {
  std::future<absl::Status> result;
  {
    common::MutexLock lock(upgrade_mutex_);
    if (upgrade_asked_.has_value()) return Text(409, "an upgrade is under way");
    result = upgrade_asked_.emplace().get_future();
  }
  common::Signals::Request(common::Signal::kUpgrade);
  if (result.wait_for(kUpgradePageWait) != std::future_status::ready) {
    return Text(504, "nothing is known of the upgrade yet: see the log");
  }
  const absl::Status status = result.get();
  if (status.ok()) return Text(200, "a new process serves; this one drains");
  return Text(500, absl::StrCat("this process goes on: ", status.message()));
}

void Server::AddOperatorPages(std::vector<common::AdminPage>* pages) {
  using common::AdminRequest;
  pages->push_back({"/connections", [this](const AdminRequest&) {
                      return common::AdminResponse{.content_type = "application/json",
                                                   .body = DumpConnections(engine_->ListConnections(
                                                       kConnectionsShownMax, kConnectionsWait))};
                    }});
  pages->push_back({"/log", [](const AdminRequest&) {
                      return Text(200, common::LogLevelName(common::ProcessLogger().level()));
                    }});
  pages->push_back({"/log", ChangeLevel, /*changes=*/true});
  pages->push_back({"/drain",
                    [](const AdminRequest&) {
                      common::Signals::Request(common::Signal::kTerminate);
                      return Text(200, "draining; then this process ends");
                    },
                    /*changes=*/true});
  if (options_.program.file.empty()) return;
  pages->push_back(
      {"/upgrade", [this](const AdminRequest&) { return AnswerUpgrade(); }, /*changes=*/true});
}

}  // namespace pointsman::gateway
