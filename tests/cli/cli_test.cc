// Whole commands against an admin service of a few lines on a real port: the command line, the
// calls it makes, what it prints and how it ends.

#include "cli/cli.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "common/core/config_load.h"
#include "common/core/error_reason.h"
#include "common/core/names.h"
#include "common/rpc/status.h"
#include "pointsman/v1/admin.grpc.pb.h"

namespace pointsman::cli {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kState[] = R"(
endpoints:
- {name: services/web/endpoints/web-1, verdict: healthy, weight: 65536, share: 0.5, routable: true}
- {name: services/web/endpoints/web-2, verdict: healthy, weight: 65536, share: 0.5, routable: true}
)";

// Answers from fields that a test sets, and keeps what it was asked.
class FakeAdmin : public v1::AdminService::Service {
 public:
  v1::ApplyRequest applied;
  v1::ApplyResponse apply_response;
  absl::Status apply_status;
  v1::DrainRequest drained;
  v1::FreezeRequest frozen;
  v1::ListEndpointsResponse state;
  v1::ListEventsRequest events_asked;
  int newest_event = 1;
  int new_events = 1;
  int last_event = 1'000'000;  // What asks for more is refused.
  int pages = 0;

 private:
  grpc::Status Apply(grpc::ServerContext*, const v1::ApplyRequest* request,
                     v1::ApplyResponse* response) override {
    applied = *request;
    if (!apply_status.ok()) return common::ToGrpcStatus(apply_status);
    *response = apply_response;
    return grpc::Status::OK;
  }
  // One entry a page, so that pages must be joined.
  grpc::Status ListEndpoints(grpc::ServerContext*, const v1::ListEndpointsRequest* request,
                             v1::ListEndpointsResponse* response) override {
    ++pages;
    const int index = request->page_token().empty() ? 0 : std::stoi(request->page_token());
    if (index < state.endpoints_size()) *response->add_endpoints() = state.endpoints(index);
    if (index + 1 < state.endpoints_size()) {
      response->set_next_page_token(absl::StrCat(index + 1));
    }
    return grpc::Status::OK;
  }
  grpc::Status ListServices(grpc::ServerContext*, const v1::ListServicesRequest*,
                            v1::ListServicesResponse* response) override {
    response->add_services()->set_name("services/web");
    return grpc::Status::OK;
  }
  grpc::Status WatchEndpoints(grpc::ServerContext* context, const v1::WatchEndpointsRequest*,
                              grpc::ServerWriter<v1::WatchEndpointsResponse>* writer) override {
    v1::WatchEndpointsResponse message;
    *message.mutable_endpoints() = state.endpoints();
    writer->Write(message);
    message.Clear();
    *message.add_endpoints() = state.endpoints(0);
    message.mutable_endpoints(0)->set_verdict(v1::VERDICT_UNHEALTHY);
    message.mutable_endpoints(0)->set_routable(false);
    message.mutable_endpoints(0)->set_reason(v1::REASON_CHECKS_FAILED);
    message.add_removed(state.endpoints(1).name());
    while (writer->Write(message)) {  // Until the client ends it.
    }
    return grpc::Status::OK;
  }
  grpc::Status Explain(grpc::ServerContext*, const v1::ExplainRequest* request,
                       v1::Explanation* response) override {
    if (request->name() == "services/web") {
      response->set_name(request->name());
      response->mutable_verdict()->set_result("2 of 2 endpoints get requests");
      response->mutable_weight()->set_result("SETTLED");
      response->mutable_weight()->mutable_age()->set_seconds(3);
      return grpc::Status::OK;
    }
    for (const v1::EndpointState& endpoint : state.endpoints()) {
      if (endpoint.name() != request->name()) continue;
      response->set_name(request->name());
      response->mutable_verdict()->set_result("HEALTHY");
      return grpc::Status::OK;
    }
    return common::ToGrpcStatus(absl::NotFoundError("no such endpoint"));
  }
  // Two events at first, and more with each look. Newest first, as the controller tells them.
  grpc::Status ListEvents(grpc::ServerContext*, const v1::ListEventsRequest* request,
                          v1::ListEventsResponse* response) override {
    events_asked = *request;
    if (newest_event >= last_event)
      return common::ToGrpcStatus(absl::PermissionDeniedError("over"));
    newest_event += new_events;
    const int from = std::max(1, newest_event - request->page_size() + 1);
    for (int sequence = newest_event; sequence >= from; --sequence) {
      v1::Event& event = *response->add_events();
      event.set_sequence(static_cast<uint64_t>(sequence));
      event.set_type("endpoint.verdict");
      event.set_subject("services/web/endpoints/web-1");
      event.set_actor(sequence == 1 ? "operator:alice" : "controller");
      event.set_summary(absl::StrCat("change ", sequence));
      (*event.mutable_details())["to"] = "UNHEALTHY";
    }
    return grpc::Status::OK;
  }
  grpc::Status GetStatus(grpc::ServerContext*, const v1::GetStatusRequest*,
                         v1::ControllerStatus* response) override {
    response->set_version("0.1.0");
    response->set_store_writable(true);
    return grpc::Status::OK;
  }
  grpc::Status Drain(grpc::ServerContext*, const v1::DrainRequest* request,
                     v1::Override* response) override {
    drained = *request;
    response->set_name("overrides/web.web-1");
    return grpc::Status::OK;
  }
  grpc::Status Undrain(grpc::ServerContext*, const v1::UndrainRequest*,
                       google::protobuf::Empty*) override {
    return common::ToGrpcStatus(absl::NotFoundError("web/web-1 is not drained"));
  }
  grpc::Status Freeze(grpc::ServerContext*, const v1::FreezeRequest* request,
                      v1::FreezeResponse* response) override {
    frozen = *request;
    response->set_frozen(request->frozen());
    return grpc::Status::OK;
  }
  grpc::Status ListRevisions(grpc::ServerContext*, const v1::ListRevisionsRequest* request,
                             v1::ListRevisionsResponse* response) override {
    for (int i = 0; i < request->page_size(); ++i) response->add_revisions()->set_revision(9 - i);
    response->set_next_page_token("more");
    return grpc::Status::OK;
  }
  grpc::Status Rollback(grpc::ServerContext*, const v1::RollbackRequest* request,
                        v1::ApplyResponse* response) override {
    if (request->has_expected_revision()) {
      return common::ToGrpcStatus(common::WithReason(
          absl::FailedPreconditionError("the current revision is 9"), "REVISION_MISMATCH"));
    }
    if (request->revision() == 99) {
      return common::ToGrpcStatus(
          common::WithReason(absl::NotFoundError("no revision 99"), "REVISION_NOT_FOUND"));
    }
    response->set_revision(10);
    return grpc::Status::OK;
  }
};

class CliTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "cli_test.XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    ASSERT_TRUE(common::ParseYaml(kState, &admin_.state).empty());
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&admin_);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
    variables_["POINTSMAN_CONTROLLER"] = absl::StrCat("127.0.0.1:", port);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string File(const std::string& name, const std::string& content) {
    std::string path = folder_ + "/" + name;
    std::ofstream(path) << content;
    return path;
  }

  int Run(const std::vector<std::string>& arguments) {
    std::ostringstream out;
    std::ostringstream err;
    const CliEnvironment environment{
        .out = out,
        .err = err,
        .terminal = terminal_,
        .variable = [this](const std::string& name) -> std::optional<std::string> {
          const auto found = variables_.find(name);
          if (found == variables_.end()) return std::nullopt;
          return found->second;
        }};
    const ExitCode code = RunCli(arguments, environment);
    out_ = out.str();
    err_ = err.str();
    // Whatever went wrong: what, and what to do about it.
    if (code != ExitCode::kOk && code != ExitCode::kDifferences) {
      EXPECT_THAT(err_, StartsWith("error: "));
      EXPECT_THAT(err_, ContainsRegex("\nnext: [^\n]+\n$"));
    }
    return static_cast<int>(code);
  }

  FakeAdmin admin_;
  std::unique_ptr<grpc::Server> server_;
  std::map<std::string, std::string> variables_;
  bool terminal_ = false;
  std::string folder_;
  std::string out_;
  std::string err_;
};

TEST_F(CliTest, AppliesSeveralFilesAsOneConfiguration) {
  admin_.apply_response.set_revision(7);
  v1::ConfigChange& change = *admin_.apply_response.add_changes();
  change.set_kind(v1::ConfigChange::KIND_CREATED);
  change.set_name("services/web");
  const std::string services = File("s.yaml", "services: [{name: web}]");
  const std::string routes = File("r.yaml", "routes: [{name: web, service: web}]");
  EXPECT_EQ(Run({"apply", "-f", services, "-f", routes, "--comment", "first"}), 0) << err_;
  EXPECT_EQ(out_, "created services/web\napplied, revision 7\n");
  EXPECT_EQ(admin_.applied.config().services(0).name(), "services/web");
  EXPECT_EQ(admin_.applied.config().routes(0).service(), "web");
  EXPECT_EQ(admin_.applied.comment(), "first");
  EXPECT_FALSE(admin_.applied.validate_only());
  EXPECT_FALSE(admin_.applied.has_expected_revision());
}

TEST_F(CliTest, DryRunChangesNothingAndShowsLines) {
  v1::ConfigChange& change = *admin_.apply_response.add_changes();
  change.set_kind(v1::ConfigChange::KIND_UPDATED);
  change.set_name("services/web");
  change.set_before("a: 1\n");
  change.set_after("a: 2\n");
  const std::string file = File("a.yaml", "services: [{name: web}]");
  EXPECT_EQ(Run({"apply", "--dry-run", "--expected-revision", "0", "-f", file}), 0);
  EXPECT_TRUE(admin_.applied.validate_only());
  EXPECT_TRUE(admin_.applied.has_expected_revision());
  EXPECT_THAT(out_, AllOf(HasSubstr("- a: 1\n+ a: 2\n"), HasSubstr("not applied")));
}

TEST_F(CliTest, DiffEndsWithOneWhenSomethingWouldChange) {
  const std::string file = File("a.yaml", "services: [{name: web}]");
  EXPECT_EQ(Run({"diff", "-f", file}), 0);
  EXPECT_EQ(out_, "");
  admin_.apply_response.add_changes()->set_name("services/web");
  EXPECT_EQ(Run({"diff", "-f", file}), 1);
  EXPECT_TRUE(admin_.applied.validate_only());
  EXPECT_EQ(Run({"diff", "-f", File("b.yaml", "services: [{nam: web}]")}), 2);
}

TEST_F(CliTest, ABadFileIsToldWithItsLineAndNeverSent) {
  const std::string bad = File("bad.yaml", "services:\n- name: web\n  chekcs: []\n");
  EXPECT_EQ(Run({"apply", "-f", bad}), 2);
  EXPECT_EQ(err_, absl::StrCat("error: ", bad,
                               ":3: services[0].chekcs: unknown field of Service; did you mean "
                               "\"checks\"? [CONFIG_UNKNOWN_FIELD]\nnext: correct it and check "
                               "with \"pointsman validate -f FILE\"\n"));
  EXPECT_EQ(admin_.applied.ByteSizeLong(), 0u);
  const std::string one = File("one.yaml", "services: [{name: web}]");
  const std::string two = File("two.yaml", "services:\n- name: other\n- name: web\n");
  EXPECT_EQ(Run({"validate", "-f", one, "-f", two}), 2);
  EXPECT_THAT(err_, HasSubstr(absl::StrCat(two, ":3: services[1].name: ")));
  const std::string worse = File("worse.yaml", "routes: [{name: web, servce: web}]");
  EXPECT_EQ(Run({"validate", "-f", bad, worse}), 2);
  EXPECT_THAT(err_, AllOf(HasSubstr(bad + ":3: "), HasSubstr(worse + ":1: ")));
  EXPECT_EQ(Run({"apply", "-f", folder_ + "/none.yaml"}), 3);
  EXPECT_EQ(Run({"validate", "-f", File("big.yaml", std::string(10 << 20, '#'))}), 2);
  EXPECT_THAT(err_, HasSubstr("CONFIG_TOO_LARGE"));
}

TEST_F(CliTest, ValidatesWithoutAController) {
  server_->Shutdown();
  EXPECT_EQ(Run({"validate", "-f", File("a.yaml", "services: [{name: web}]")}), 0);
  EXPECT_EQ(out_, "valid: 1 service, 0 routes, 0 overrides\n");
}

TEST_F(CliTest, ValidatesAGatewaysOwnFileWithItsLimits) {
  server_->Shutdown();
  const std::string file = File("gw.yaml", "services: [{name: web}]\nlimits: {head_fields: 200}\n");
  EXPECT_EQ(Run({"validate", "--static", file}), 0) << err_;
  EXPECT_EQ(out_, "valid: 1 service, 0 routes, 0 overrides\n");
  EXPECT_EQ(Run({"validate", "-f", file}), 2);
  const std::string bad = File("bad.yaml", "services: [{name: web}]\nlimits: {head_fields: 1}\n");
  EXPECT_EQ(Run({"validate", "--static", bad}), 2);
  EXPECT_THAT(err_, HasSubstr(bad + ":2: limits.head_fields: "));
  EXPECT_EQ(Run({"validate", "--static", file, "-f", file}), 2);
  EXPECT_THAT(err_, HasSubstr("--file excludes --static"));
  EXPECT_EQ(Run({"validate"}), 2);
  EXPECT_THAT(err_, HasSubstr("next: write \"pointsman validate -f FILE\""));
  EXPECT_NE(Run({"validate", "--static", ""}), 0) << "a variable that is not set";
  EXPECT_NE(Run({"route", "test", "--static", "", "GET", "/"}), 0);
}

TEST_F(CliTest, ErrorsOfTheServerKeepTheirMeaning) {
  const std::string file = File("a.yaml", "services: [{name: web}]");
  admin_.apply_status = absl::FailedPreconditionError("the current revision is 9, not 8");
  EXPECT_EQ(Run({"apply", "-f", file, "--expected-revision", "8"}), 4);
  EXPECT_THAT(err_, AllOf(HasSubstr("the current revision is 9"), HasSubstr("pointsman history")));
  admin_.apply_status = absl::PermissionDeniedError("role viewer may not Apply");
  EXPECT_EQ(Run({"apply", "-f", file}), 6);
  admin_.apply_status = absl::ResourceExhaustedError("too many services");
  EXPECT_EQ(Run({"apply", "-f", file}), 7);
  admin_.apply_status = absl::UnavailableError("the store takes no writes: disk full");
  EXPECT_EQ(Run({"apply", "-f", file}), 5);
  EXPECT_THAT(err_, HasSubstr("disk full"));
}

TEST_F(CliTest, AnAbsentControllerIsNamed) {
  server_->Shutdown();
  EXPECT_EQ(Run({"status", "--timeout", "2s"}), 5);
  EXPECT_THAT(err_, AllOf(HasSubstr(variables_["POINTSMAN_CONTROLLER"]),
                          HasSubstr("--controller HOST:PORT")));
}

TEST_F(CliTest, ListsJoinTheirPages) {
  EXPECT_EQ(Run({"get", "endpoints"}), 0) << err_;
  EXPECT_EQ(admin_.pages, 2);
  EXPECT_THAT(out_, AllOf(HasSubstr("web/web-1"), HasSubstr("web/web-2")));
  EXPECT_EQ(Run({"get", "endpoint", "web/web-2", "-o", "json"}), 0);
  EXPECT_THAT(out_, AllOf(HasSubstr("\"services/web/endpoints/web-2\""), Not(HasSubstr("web-1"))));
  EXPECT_EQ(Run({"-o", "yaml", "get", "services"}), 0);
  EXPECT_EQ(out_, "services:\n- name: services/web\n");
  EXPECT_EQ(Run({"history", "--limit", "2"}), 0);
  EXPECT_THAT(out_, AllOf(HasSubstr("9"), HasSubstr("8"), Not(HasSubstr("7"))));
}

TEST_F(CliTest, UnknownNamesSuggestKnownOnes) {
  EXPECT_EQ(Run({"get", "services", "wbe"}), 3);
  EXPECT_THAT(err_, HasSubstr("there is no service \"wbe\""));
  EXPECT_EQ(Run({"get", "endpoints", "web/web-3"}), 3);
  EXPECT_THAT(err_, HasSubstr("did you mean \"web/web-1\"?"));
  EXPECT_EQ(Run({"explain", "endpoint", "web/web1"}), 3);
  EXPECT_THAT(err_, HasSubstr("did you mean \"web/web-1\"?"));
  EXPECT_EQ(Run({"get", "endpionts"}), 2);
  EXPECT_THAT(err_, HasSubstr("did you mean \"endpoints\"?"));
  EXPECT_EQ(Run({"explain", "endpoint", "web-1"}), 2);
  EXPECT_THAT(err_, HasSubstr("SERVICE/ENDPOINT"));
}

TEST_F(CliTest, ExplainsAnEndpoint) {
  EXPECT_EQ(Run({"explain", "endpoint", "web/web-1"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("Verdict: HEALTHY"));
}

TEST_F(CliTest, ExplainsAService) {
  EXPECT_EQ(Run({"explain", "service", "web"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("Routing: 2 of 2 endpoints get requests\n"));
  EXPECT_THAT(out_, HasSubstr("Weights: SETTLED, last step 3.00s ago\n"));
}

TEST_F(CliTest, EventsAreToldOldestFirst) {
  EXPECT_EQ(Run({"events", "--type", "endpoint.", "--subject", "services/web"}), 0) << err_;
  EXPECT_THAT(out_, ContainsRegex("endpoint.verdict +web/web-1  change 1 \\(operator:alice\\)\n"
                                  ".*change 2\n"));
  EXPECT_EQ(admin_.events_asked.type_prefix(), "endpoint.");
  EXPECT_EQ(admin_.events_asked.subject_prefix(), "services/web");
  EXPECT_EQ(Run({"events", "-o", "wide", "--limit", "1"}), 0) << err_;
  EXPECT_THAT(out_, AllOf(HasSubstr("change 3 {to=UNHEALTHY}\n"), Not(HasSubstr("change 2"))));
}

TEST_F(CliTest, FollowedEventsAreToldOnceEach) {
  admin_.last_event = 4;
  EXPECT_EQ(Run({"events", "--follow"}), 6) << err_;
  EXPECT_THAT(out_, ContainsRegex("change 1 .*\n.*change 2\n.*change 3\n.*change 4\n"));
  EXPECT_EQ(out_.find("change 2"), out_.rfind("change 2"));
}

TEST_F(CliTest, FollowingEndsAfterItsTime) {
  EXPECT_EQ(Run({"events", "--for", "10ms"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("change 3\n"));
  EXPECT_EQ(Run({"events", "--follow", "--for", "soon"}), 2);
}

TEST_F(CliTest, AsManyEventsAsAskedForAndNoneLostWhileFollowing) {
  admin_.newest_event = 1'000;
  EXPECT_EQ(Run({"events", "--limit", "150"}), 0) << err_;
  EXPECT_EQ(std::count(out_.begin(), out_.end(), '\n'), 150);
  admin_.new_events = 300;
  EXPECT_EQ(Run({"events", "--limit", "1", "--for", "10ms"}), 0) << err_;
  EXPECT_EQ(std::count(out_.begin(), out_.end(), '\n'), admin_.newest_event - 1'300);
  EXPECT_THAT(out_, HasSubstr("change 1302\n"));
}

TEST_F(CliTest, WatchShowsTheTableAndThenChanges) {
  EXPECT_EQ(Run({"watch", "endpoints", "web", "--updates", "2"}), 0) << err_;
  EXPECT_THAT(out_, AllOf(StartsWith("ENDPOINT"),
                          HasSubstr("web/web-1  healthy -> unhealthy  checks_failed\n"),
                          HasSubstr("web/web-2  removed\n")));
}

TEST_F(CliTest, OperatorsHands) {
  EXPECT_EQ(Run({"drain", "web/web-1", "--comment", "upgrade"}), 0) << err_;
  EXPECT_EQ(admin_.drained.name(), "services/web/endpoints/web-1");
  EXPECT_EQ(admin_.drained.comment(), "upgrade");
  EXPECT_THAT(out_, HasSubstr("pointsman undrain web/web-1"));
  EXPECT_EQ(Run({"undrain", "web/web-1"}), 3);
  EXPECT_THAT(err_, HasSubstr("is not drained"));
  EXPECT_EQ(Run({"freeze", "--comment", "why"}), 0);
  EXPECT_TRUE(admin_.frozen.frozen());
  EXPECT_EQ(Run({"freeze", "--lift"}), 0);
  EXPECT_FALSE(admin_.frozen.frozen());
  EXPECT_EQ(Run({"rollback", "3"}), 0);
  EXPECT_THAT(out_, HasSubstr("content of revision 3 is now revision 10"));
  EXPECT_EQ(Run({"rollback", "3", "--expected-revision", "8"}), 4);
}

TEST_F(CliTest, ColoursOnlyOnATerminalThatWantsThem) {
  EXPECT_EQ(Run({"status"}), 0);
  EXPECT_THAT(out_, Not(HasSubstr("\x1b")));
  terminal_ = true;
  EXPECT_EQ(Run({"status"}), 0);
  EXPECT_THAT(out_, HasSubstr("\x1b"));
  EXPECT_EQ(Run({"status", "--no-color"}), 0);
  EXPECT_THAT(out_, Not(HasSubstr("\x1b")));
  variables_["NO_COLOR"] = "1";
  EXPECT_EQ(Run({"status"}), 0);
  EXPECT_THAT(out_, Not(HasSubstr("\x1b")));
}

TEST_F(CliTest, WrongCommandLinesEndWithTwo) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{},
                                             {"aply"},
                                             {"apply"},
                                             {"get"},
                                             {"explain"},
                                             {"rollback", "x"},
                                             {"status", "-o", "xml"},
                                             {"status", "--timeout", "soon"},
                                             {"status", "--tls-cert", "/none"},
                                             {"validate", "-f", "-", "-f", "-"},
                                             {"history", "--limit", "0"}}) {
    EXPECT_EQ(Run(arguments), 2) << absl::StrCat(arguments.size(), " ", err_);
    EXPECT_THAT(err_, StartsWith("error: "));
  }
}

TEST_F(CliTest, NamesWhatItDoesNotKnowOnTheCommandLine) {
  EXPECT_EQ(Run({"frobnicate"}), 2);
  EXPECT_EQ(err_,
            "error: unknown command \"frobnicate\"\n"
            "next: see all commands with \"pointsman help\"\n");
  EXPECT_EQ(Run({"aply", "-f", "a.yaml"}), 2);
  EXPECT_THAT(err_, HasSubstr("unknown command \"aply\"; did you mean \"apply\"?"));
  EXPECT_EQ(Run({"freeze", "--left"}), 2);
  EXPECT_THAT(err_, HasSubstr("unknown option \"--left\"; did you mean \"--lift\"?"));
  EXPECT_EQ(Run({"status", "--ouptut=json"}), 2);
  EXPECT_THAT(err_, HasSubstr("unknown option \"--ouptut\"; did you mean \"--output\"?"));
  EXPECT_EQ(Run({"status", "web"}), 2);
  EXPECT_THAT(err_, HasSubstr("\"pointsman status\" takes no further argument \"web\""));
  EXPECT_EQ(Run({"explain", "web/web-1"}), 2);
  EXPECT_THAT(err_, HasSubstr("next: write \"pointsman explain endpoint web/web-1\""));
  EXPECT_EQ(Run({"rollback", "x"}), 2);
  EXPECT_THAT(err_, HasSubstr("pointsman rollback: revision = x is no whole number"));
  EXPECT_EQ(Run({"rollback"}), 2);
  EXPECT_THAT(err_, HasSubstr("next: see \"pointsman rollback --help\""));
  EXPECT_EQ(Run({}), 2);
  EXPECT_THAT(err_, HasSubstr("a command is missing"));
}

TEST_F(CliTest, EachErrorSaysWhatToDoNext) {
  EXPECT_EQ(Run({"apply", "-f", folder_ + "/none.yaml"}), 3);
  EXPECT_THAT(err_, HasSubstr("next: correct the path; "));
  EXPECT_EQ(Run({"apply", "-f", folder_}), 2);
  EXPECT_THAT(err_, HasSubstr("next: name the file itself"));
  EXPECT_EQ(Run({"rollback", "99"}), 3);
  EXPECT_THAT(err_, HasSubstr("next: list the revisions that are kept with \"pointsman history\""));
  EXPECT_EQ(Run({"get", "foo"}), 2);
  EXPECT_THAT(err_, HasSubstr("next: name one of these: services, routes, overrides"));
  EXPECT_EQ(Run({"describe", "event", "web"}), 2);
  EXPECT_THAT(err_, HasSubstr("next: name one of these: services, routes, endpoints"));
  EXPECT_EQ(Run({"describe", "service", "foo"}), 3);
  EXPECT_THAT(err_, HasSubstr("next: list what there is with \"pointsman get services\""));
  EXPECT_EQ(Run({"explain", "endpoint", "web/foo"}), 3);
  EXPECT_THAT(err_, HasSubstr("next: list what there is with \"pointsman get endpoints web\""));
  EXPECT_EQ(Run({"explain", "endpoint", "foo/web-1"}), 3);
  EXPECT_THAT(err_, HasSubstr("next: list what there is with \"pointsman get endpoints\""));
  EXPECT_EQ(Run({"drain", "web"}), 2);
  EXPECT_THAT(err_, HasSubstr("next: list endpoints by name with \"pointsman get endpoints web\""));
  EXPECT_EQ(Run({"status", "--controller", "192.0.2.1:7400"}), 4);
  EXPECT_THAT(err_, HasSubstr("next: give --tls-cert, --tls-key and --tls-ca"));
  EXPECT_EQ(Run({"status", "--tls-cert", "/none", "--tls-key", "/none", "--tls-ca", "/none"}), 3);
  EXPECT_THAT(err_, HasSubstr("next: correct the path"));
}

TEST_F(CliTest, HelpNeedsNoController) {
  server_->Shutdown();
  EXPECT_EQ(Run({"help", "exit-codes"}), 0);
  EXPECT_THAT(out_, HasSubstr("differences"));
  EXPECT_EQ(Run({"help"}), 0);
  EXPECT_THAT(out_, AllOf(HasSubstr("apply"), HasSubstr("undrain")));
  EXPECT_EQ(Run({"help", "apply"}), 0);
  EXPECT_THAT(out_, HasSubstr("--expected-revision"));
  EXPECT_EQ(Run({"apply", "--help"}), 0);
  EXPECT_THAT(out_, HasSubstr("--expected-revision"));
  EXPECT_EQ(Run({"--version"}), 0);
  EXPECT_THAT(out_, StartsWith("0.1.0"));
  EXPECT_THAT(err_, IsEmpty());
  EXPECT_EQ(Run({"help", "nonsense"}), 3);
}

}  // namespace
}  // namespace pointsman::cli
