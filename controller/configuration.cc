#include "controller/configuration.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/core/check.h"
#include "common/core/error_reason.h"
#include "common/core/proto_time.h"
#include "common/core/status_macros.h"
#include "common/thread_name.h"
#include "controller/config_archive.h"
#include "controller/store/await.h"

namespace pointsman::controller {
namespace {

absl::Status Stopping() {
  return common::WithReason(absl::UnavailableError("the controller shuts down"),
                            "CONTROLLER_STOPPING");
}

FreezeState ToFreezeState(const v1::StoredFreeze& stored) {
  FreezeState state{stored.frozen(), stored.actor(), stored.comment(), absl::UnixEpoch()};
  state.time += absl::Seconds(stored.time().seconds()) + absl::Nanoseconds(stored.time().nanos());
  return state;
}

v1::StoredRevision MakeRecord(const std::vector<v1::ConfigChange>& changes) {
  v1::StoredRevision record;
  for (const v1::ConfigChange& change : changes) {
    if (record.revision().changed_size() == kChangedNamesMax) {
      record.mutable_revision()->add_changed(
          absl::StrCat("and ", changes.size() - kChangedNamesMax, " more"));
      break;
    }
    record.mutable_revision()->add_changed(change.name());
  }
  return record;
}

absl::Status CheckRevision(const std::optional<uint64_t>& expected, uint64_t current) {
  if (!expected || *expected == current) return absl::OkStatus();
  return common::WithReason(
      absl::FailedPreconditionError(
          absl::StrCat("the configuration is at revision ", current, ", not at ", *expected,
                       "; look at what changed (diff, history) and apply again")),
      "REVISION_MISMATCH",
      {{"expected", absl::StrCat(*expected)}, {"current", absl::StrCat(current)}});
}

absl::Status CheckComment(absl::string_view comment) {
  if (comment.size() <= kCommentBytesMax) return absl::OkStatus();
  return common::WithReason(absl::InvalidArgumentError(absl::StrCat(
                                "comment: ", comment.size(), " bytes; at most ", kCommentBytesMax)),
                            "ARGUMENT_INVALID", {{"field", "comment"}});
}

}  // namespace

Configuration::Configuration(const Options& options)
    : options_(options), archive_(std::make_unique<ConfigArchive>(options.store)) {
  current_.config = std::make_shared<const v1::Config>();
}

Configuration::~Configuration() {
  {
    common::MutexLock lock(mutex_);
    stopping_ = true;
    wake_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
}

void Configuration::AddListener(Listener listener) {
  PM_CHECK(!started());
  listeners_.push_back(std::move(listener));
}

void Configuration::AddFreezeListener(FreezeListener listener) {
  PM_CHECK(!started());
  freeze_listeners_.push_back(std::move(listener));
}

absl::Status Configuration::Start() {
  PM_RETURN_IF_ERROR(Reload());
  PM_RETURN_IF_ERROR(LoadFreeze());
  // Only tidies up: a store that takes no writes is no reason not to start.
  archive_->CollectGarbage().IgnoreError();
  {
    common::MutexLock lock(mutex_);
    started_ = true;
  }
  thread_ = common::NamedThread("pm-config", [this] { Run(); });
  return absl::OkStatus();
}

bool Configuration::started() const {
  common::MutexLock lock(mutex_);
  return started_;
}

ConfigSnapshot Configuration::Current() const {
  common::MutexLock lock(mutex_);
  return current_;
}

FreezeState Configuration::freeze() const {
  common::MutexLock lock(mutex_);
  return freeze_;
}

void Configuration::Enqueue(Job job) {
  absl::Status refused;
  {
    common::MutexLock lock(mutex_);
    if (stopping_ || !started_) {
      refused = Stopping();
    } else if (jobs_.size() >= kConfigJobsMax) {
      refused = common::WithReason(
          absl::ResourceExhaustedError(absl::StrCat(
              kConfigJobsMax, " changes of the configuration are waiting already; try again")),
          "BUSY");
    } else {
      jobs_.push_back(std::move(job));
      wake_.NotifyOne();
      return;
    }
  }
  job(std::move(refused));
}

void Configuration::Run() {
  while (true) {
    Job job;
    absl::Status run;
    {
      common::MutexLock lock(mutex_);
      while (jobs_.empty() && !stopping_) wake_.Wait(mutex_);
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
      if (stopping_) run = Stopping();
    }
    job(std::move(run));
  }
}

void Configuration::Apply(v1::ApplyRequest request, std::string actor,
                          Callback<v1::ApplyResponse> done) {
  // What a client forgot to fill in must not delete every service and route.
  if (!request.has_config()) {
    return done(common::WithReason(
        absl::InvalidArgumentError("config is absent; an empty one, written out, deletes all"),
        "CONFIG_ABSENT"));
  }
  Change change;
  change.wanted = std::move(*request.mutable_config());
  change.replace_overrides = request.replace_overrides();
  change.validate_only = request.validate_only();
  if (request.has_expected_revision()) change.expected_revision = request.expected_revision();
  change.actor = std::move(actor);
  change.comment = request.comment();
  Enqueue([this, change = std::move(change), done = std::move(done)](absl::Status run) mutable {
    if (!run.ok()) return done(std::move(run));
    absl::StatusOr<Outcome> outcome = Commit(std::move(change));
    if (!outcome.ok()) return done(outcome.status());
    done(std::move(outcome->response));
  });
}

absl::StatusOr<v1::ApplyResponse> Configuration::ApplyNow(v1::ApplyRequest request,
                                                          std::string actor) {
  return Await<v1::ApplyResponse>(
      [&](auto done) { Apply(std::move(request), std::move(actor), std::move(done)); },
      absl::Minutes(5));
}

absl::StatusOr<std::string> Configuration::FileDigest() {
  return Await<std::string>(
      [this](auto done) {
        Enqueue([this, done](absl::Status run) {
          if (!run.ok()) return done(std::move(run));
          done(archive_->LoadFileDigest());
        });
      },
      absl::Minutes(1));
}

absl::Status Configuration::SetFileDigest(std::string digest) {
  return Await<bool>(
             [this, &digest](auto done) {
               Enqueue([this, done, digest = std::move(digest)](absl::Status run) {
                 if (run.ok()) run = archive_->StoreFileDigest(digest);
                 if (!run.ok()) return done(std::move(run));
                 done(true);
               });
             },
             absl::Minutes(1))
      .status();
}

void Configuration::Edit(EditRequest request, Callback<ConfigSnapshot> done) {
  Enqueue([this, request = std::move(request), done = std::move(done)](absl::Status run) {
    if (run.ok()) run = ReloadIfUnsure();
    Change change;
    change.wanted = *Current().config;
    if (run.ok()) run = request.change(&change.wanted);
    if (!run.ok()) return done(std::move(run));
    change.replace_overrides = true;
    change.validate_only = request.validate_only;
    change.actor = request.actor;
    change.comment = request.comment;
    absl::StatusOr<Outcome> outcome = Commit(std::move(change));
    if (!outcome.ok()) return done(outcome.status());
    done(std::move(outcome->after));
  });
}

void Configuration::Rollback(v1::RollbackRequest request, std::string actor,
                             Callback<v1::ApplyResponse> done) {
  Enqueue([this, request, actor = std::move(actor), done = std::move(done)](absl::Status run) {
    if (!run.ok()) return done(std::move(run));
    const auto content = [&]() -> absl::StatusOr<v1::Config> {
      PM_ASSIGN_OR_RETURN(const auto record, archive_->LoadRecord(request.revision()));
      return archive_->LoadContent(record);
    }();
    if (!content.ok()) return done(content.status());
    Change change;
    change.wanted = *content;
    // What an old revision held is wanted whatever it was called since.
    for (auto& service : *change.wanted.mutable_services()) service.clear_etag();
    for (auto& route : *change.wanted.mutable_routes()) route.clear_etag();
    for (auto& override : *change.wanted.mutable_overrides()) override.clear_etag();
    change.replace_overrides = true;
    if (request.has_expected_revision()) change.expected_revision = request.expected_revision();
    change.actor = actor;
    change.comment = request.comment().empty()
                         ? absl::StrCat("rollback to revision ", request.revision())
                         : request.comment();
    absl::StatusOr<Outcome> outcome = Commit(std::move(change));
    if (!outcome.ok()) return done(outcome.status());
    done(std::move(outcome->response));
  });
}

void Configuration::ListRevisions(uint64_t before, uint32_t limit,
                                  Callback<std::vector<v1::ConfigRevision>> done) {
  Enqueue([this, before, limit, done = std::move(done)](absl::Status run) {
    if (!run.ok()) return done(std::move(run));
    done(archive_->ListRecords(before, limit));
  });
}

void Configuration::GetRevision(uint64_t revision, Callback<v1::ConfigRevision> done) {
  Enqueue([this, revision, done = std::move(done)](absl::Status run) {
    if (!run.ok()) return done(std::move(run));
    done([&]() -> absl::StatusOr<v1::ConfigRevision> {
      const uint64_t wanted = revision == 0 ? Current().revision : revision;
      if (wanted == 0) return v1::ConfigRevision();
      PM_ASSIGN_OR_RETURN(v1::StoredRevision record, archive_->LoadRecord(wanted));
      PM_ASSIGN_OR_RETURN(*record.mutable_revision()->mutable_config(),
                          archive_->LoadContent(record));
      return std::move(*record.mutable_revision());
    }());
  });
}

void Configuration::SetFreeze(bool frozen, std::string comment, std::string actor,
                              Callback<FreezeState> done) {
  FreezeState wanted{frozen, std::move(actor), std::move(comment), options_.clock->WallNow()};
  Enqueue([this, wanted = std::move(wanted), done = std::move(done)](absl::Status run) {
    if (!run.ok()) return done(std::move(run));
    done(WriteFreeze(wanted));
  });
}

absl::StatusOr<FreezeState> Configuration::WriteFreeze(FreezeState wanted) {
  PM_RETURN_IF_ERROR(CheckComment(wanted.comment));
  v1::StoredFreeze stored;
  stored.set_frozen(wanted.frozen);
  stored.set_actor(wanted.actor);
  stored.set_comment(wanted.comment);
  common::ToProto(wanted.time, stored.mutable_time());
  PM_RETURN_IF_ERROR(archive_->StoreFreeze(stored));
  {
    common::MutexLock lock(mutex_);
    freeze_ = wanted;
  }
  for (const FreezeListener& listener : freeze_listeners_) listener(wanted);
  return wanted;
}

absl::Status Configuration::LoadFreeze() {
  PM_ASSIGN_OR_RETURN(const v1::StoredFreeze stored, archive_->LoadFreeze());
  const FreezeState state = ToFreezeState(stored);
  {
    common::MutexLock lock(mutex_);
    freeze_ = state;
  }
  for (const FreezeListener& listener : freeze_listeners_) listener(state);
  return absl::OkStatus();
}

absl::StatusOr<Configuration::Outcome> Configuration::Commit(Change change) {
  PM_RETURN_IF_ERROR(CheckComment(change.comment));
  PM_RETURN_IF_ERROR(ReloadIfUnsure());
  const ConfigSnapshot before = Current();
  PM_RETURN_IF_ERROR(CheckRevision(change.expected_revision, before.revision));
  const absl::Time now = options_.clock->WallNow();
  PlanInput input;
  input.current = before.config.get();
  input.current_revision = before.revision;
  input.wanted = std::move(change.wanted);
  input.replace_overrides = change.replace_overrides;
  input.actor = change.actor;
  input.now = now;
  PM_ASSIGN_OR_RETURN(Plan plan, MakePlan(std::move(input)));
  Outcome outcome;
  outcome.after = before;
  outcome.response.set_revision(before.revision);
  if (!plan.changes.empty() && !change.validate_only) {
    PM_RETURN_IF_ERROR(WriteRevision(plan, change, now));
    outcome.response.set_revision(before.revision + 1);
  }
  if (!plan.changes.empty()) {
    outcome.after = {std::make_shared<const v1::Config>(std::move(plan.config)),
                     before.revision + 1, change.actor};
    if (!change.validate_only) Publish(outcome.after);
  }
  for (v1::ConfigChange& c : plan.changes) *outcome.response.add_changes() = std::move(c);
  return outcome;
}

absl::Status Configuration::WriteRevision(const Plan& plan, const Change& change, absl::Time now) {
  const uint64_t revision = Current().revision + 1;
  v1::StoredRevision record = MakeRecord(plan.changes);
  v1::ConfigRevision& shown = *record.mutable_revision();
  shown.set_revision(revision);
  common::ToProto(now, shown.mutable_time());
  shown.set_actor(change.actor);
  shown.set_comment(change.comment);
  absl::Status stored = archive_->Store(std::move(record), plan.config, kRevisionsKept);
  if (!stored.ok()) {
    unsure_ = true;
    return stored;
  }
  EventDraft event;
  event.type = "config.applied";
  event.subject = absl::StrCat("revisions/", revision);
  event.actor = change.actor;
  event.summary =
      absl::StrCat("configuration revision ", revision, ": ", ChangesSummary(plan.changes),
                   change.comment.empty() ? "" : absl::StrCat(" (", change.comment, ")"));
  event.details = {{"revision", absl::StrCat(revision)},
                   {"changes", absl::StrCat(plan.changes.size())},
                   {"comment", change.comment}};
  options_.events->Record(std::move(event));
  return absl::OkStatus();
}

absl::Status Configuration::ReloadIfUnsure() {
  if (!unsure_) return absl::OkStatus();
  return Reload();
}

absl::Status Configuration::Reload() {
  PM_ASSIGN_OR_RETURN(const uint64_t head, archive_->LoadHead());
  if (started() && head == Current().revision) {
    unsure_ = false;
    return absl::OkStatus();
  }
  ConfigSnapshot snapshot;
  snapshot.revision = head;
  v1::Config config;
  if (head > 0) {
    PM_ASSIGN_OR_RETURN(const v1::StoredRevision record, archive_->LoadRecord(head));
    PM_ASSIGN_OR_RETURN(config, archive_->LoadContent(record));
    snapshot.actor = record.revision().actor();
  }
  snapshot.config = std::make_shared<const v1::Config>(std::move(config));
  unsure_ = false;
  Publish(snapshot);
  return absl::OkStatus();
}

void Configuration::Publish(const ConfigSnapshot& snapshot) {
  {
    common::MutexLock lock(mutex_);
    current_ = snapshot;
  }
  for (const Listener& listener : listeners_) listener(snapshot);
}

}  // namespace pointsman::controller
