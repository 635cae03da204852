// Bad input at the admin API's door: each gets a status with a stable reason, is counted, and
// changes nothing.
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "common/core/proto_time.h"
#include "gmock/gmock.h"
#include "tests/controller/rpc/admin_world.h"

namespace pointsman::controller {
namespace {

using ::testing::HasSubstr;

using google::protobuf::Empty;

constexpr char kConfigInvalid[] = "INVALID_ARGUMENT CONFIG_INVALID";
constexpr char kNameInvalid[] = "INVALID_ARGUMENT NAME_INVALID";
constexpr char kMalformed[] = "INVALID_ARGUMENT MESSAGE_MALFORMED";
constexpr char kPageInvalid[] = "INVALID_ARGUMENT PAGE_INVALID";

class AdminInputTest : public AdminWorld {
 protected:
  void SetUp() override {
    AdminWorld::SetUp();
    ASSERT_TRUE(Apply("services: [{name: web}]\nroutes: [{name: all, service: web}]\n").ok());
    before_ = configuration_->Current().config->SerializeAsString();
  }
  // Whatever was refused changed nothing, and the API goes on.
  void TearDown() override {
    EXPECT_EQ(configuration_->Current().revision, 1u);
    EXPECT_EQ(configuration_->Current().config->SerializeAsString(), before_);
    EXPECT_FALSE(configuration_->freeze().frozen);
    EXPECT_TRUE(Get("services/web").ok());
    AdminWorld::TearDown();
  }

  std::string ApplyConfig(const v1::Config& config) {
    v1::ApplyRequest request;
    *request.mutable_config() = config;
    return Refusal(Call<v1::ApplyResponse>(&Stub::Apply, request));
  }
  // Creates "new", a service that is good but for what `spoil` does to it.
  std::string Create(const std::function<void(v1::Service&)>& spoil) {
    v1::CreateServiceRequest request;
    request.set_service_id("new");
    spoil(*request.mutable_service());
    const auto result = Call<v1::Service>(&Stub::CreateService, request);
    text_ = std::string(result.status().message());
    return Refusal(result);
  }
  // An override of that weight.
  std::string Pin(double weight) {
    v1::CreateOverrideRequest request;
    request.set_override_id("pin");
    request.mutable_override()->set_service("web");
    request.mutable_override()->set_endpoint("web-1");
    request.mutable_override()->set_weight(weight);
    return Refusal(Call<v1::Override>(&Stub::CreateOverride, request));
  }
  std::string ListPage(const std::string& token) {
    v1::ListServicesRequest request;
    request.set_page_token(token);
    return Refusal(Call<v1::ListServicesResponse>(&Stub::ListServices, request));
  }
  uint64_t Counted(const std::string& reason) {
    const auto counts = errors_.counts();
    const auto found = counts.find(reason);
    return found == counts.end() ? 0 : found->second;
  }

  std::string before_;
  std::string text_;
};

TEST_F(AdminInputTest, RefusesAResourceOfTenMegabytes) {
  const std::string huge(10 << 20, 'x');
  EXPECT_EQ(Create([&](auto& s) { s.add_checks()->mutable_http()->set_host(huge); }),
            kConfigInvalid);
  EXPECT_THAT(text_, HasSubstr("[CONFIG_LIMIT]"));
  EXPECT_EQ(Create([&](auto& s) { s.add_endpoints()->set_id(huge); }), kConfigInvalid);
  EXPECT_EQ(Create([&](auto& s) { s.set_name(huge); }), kNameInvalid);
  v1::Config config;
  config.add_services()->set_name("services/" + huge);
  EXPECT_EQ(ApplyConfig(config), kConfigInvalid);
  EXPECT_EQ(Counted("CONFIG_INVALID"), 3u);
}

TEST_F(AdminInputTest, RefusesLongTextsEverywhereElse) {
  const std::string huge(1 << 20, 'x');
  EXPECT_EQ(Refusal(Get(huge)), kNameInvalid);
  EXPECT_EQ(Refusal(Drain(huge)), kNameInvalid);
  EXPECT_EQ(Refusal(Undrain(absl::StrCat("services/web/endpoints/", huge))), kNameInvalid);
  EXPECT_EQ(ListPage(huge), kPageInvalid);
  v1::ApplyRequest apply;
  apply.mutable_config()->add_services()->set_name("other");
  apply.set_comment(huge);
  EXPECT_EQ(Refusal(Call<v1::ApplyResponse>(&Stub::Apply, apply)),
            "INVALID_ARGUMENT ARGUMENT_INVALID");
  v1::FreezeRequest freeze;
  freeze.set_frozen(true);
  freeze.set_comment(huge);
  EXPECT_EQ(Refusal(Call<v1::FreezeResponse>(&Stub::Freeze, freeze)),
            "INVALID_ARGUMENT ARGUMENT_INVALID");
  v1::DrainRequest drain;
  drain.set_name("services/web/endpoints/web-1");
  drain.set_comment(huge);
  EXPECT_EQ(Refusal(Call<v1::Override>(&Stub::Drain, drain)), kConfigInvalid);
  v1::UpdateServiceRequest update;
  update.mutable_service()->set_name("services/web");
  update.mutable_update_mask()->add_paths(huge);
  EXPECT_EQ(Refusal(Update(update)), "INVALID_ARGUMENT MASK_INVALID");
  v1::DeleteServiceRequest erase;
  erase.set_name("services/web");
  erase.set_etag(huge);
  EXPECT_EQ(Refusal(Call<Empty>(&Stub::DeleteService, erase)), "ABORTED ETAG_MISMATCH");
  v1::ListEventsRequest events;
  events.set_type_prefix(huge);
  events.set_subject_prefix(huge);
  EXPECT_EQ(Refusal(Call<v1::ListEventsResponse>(&Stub::ListEvents, events)), "OK");
}

TEST_F(AdminInputTest, RefusesTextThatIsNotUtf8) {
  const std::string bytes = "we\xff\xfe";
  EXPECT_EQ(Refusal(Get(bytes)), kMalformed);
  EXPECT_EQ(Refusal(Drain(bytes)), kMalformed);
  EXPECT_EQ(Create([&](auto& s) { s.set_name(bytes); }), kMalformed);
  EXPECT_THAT(text_, HasSubstr("UTF-8"));
  v1::Config config;
  config.add_routes()->add_hosts(bytes);
  EXPECT_EQ(ApplyConfig(config), kMalformed);
  EXPECT_EQ(ListPage(bytes), kMalformed);
  grpc::ClientContext context;
  v1::WatchEndpointsRequest watch;
  watch.set_parent(bytes);
  const auto reader = stub_->WatchEndpoints(&context, watch);
  v1::WatchEndpointsResponse response;
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_EQ(common::ReasonOf(common::FromGrpcStatus(reader->Finish())), "MESSAGE_MALFORMED");
  EXPECT_EQ(Counted("MESSAGE_MALFORMED"), 6u);
}

// A text that is cut for the message may be cut within a character.
TEST_F(AdminInputTest, KeepsTheReasonOfATextThatIsCut) {
  v1::Config config = *configuration_->Current().config;
  for (size_t lead = 0; lead < 3; ++lead) {
    std::string host(lead, 'a');
    for (int i = 0; i < 80; ++i) host += "\u20ac";
    *config.mutable_routes(0)->mutable_hosts()->Add() = host;
  }
  EXPECT_EQ(ApplyConfig(config), kConfigInvalid);
}

TEST_F(AdminInputTest, TellsManyLongProblemsWithTheirReason) {
  v1::Config config = *configuration_->Current().config;
  for (int i = 0; i < 64; ++i) config.mutable_routes(0)->add_hosts(std::string(1'000, '\x01'));
  EXPECT_EQ(ApplyConfig(config), kConfigInvalid);
}

TEST_F(AdminInputTest, RefusesNumbersOutOfTheirRange) {
  const double nan = std::nan("");
  const double infinity = std::numeric_limits<double>::infinity();
  for (const double wrong : {nan, -nan, infinity, -infinity, -1.0, -0.0, 0.0, 101.0, 1e308}) {
    EXPECT_EQ(Pin(wrong), kConfigInvalid) << wrong;
  }
  for (const double wrong : {nan, infinity, -1.0, 1e9}) {
    EXPECT_EQ(Create([&](auto& s) { s.mutable_health()->set_removal_cap(wrong); }), kConfigInvalid)
        << wrong;
    EXPECT_EQ(Create([&](auto& s) { s.mutable_health()->set_fail_open_below(wrong); }),
              kConfigInvalid)
        << wrong;
    EXPECT_EQ(Create([&](auto& s) { s.mutable_weights()->set_max_factor(wrong); }), kConfigInvalid)
        << wrong;
    EXPECT_EQ(Create([&](auto& s) { s.mutable_failover()->set_overprovisioning(wrong); }),
              kConfigInvalid)
        << wrong;
    EXPECT_EQ(Create([&](auto& s) { s.mutable_retries()->set_budget_ratio(wrong); }),
              kConfigInvalid)
        << wrong;
    EXPECT_EQ(Create([&](auto& s) {
                v1::Endpoint& endpoint = *s.add_endpoints();
                endpoint.set_id("e");
                endpoint.set_address("127.0.0.1:80");
                endpoint.set_capacity(wrong);
              }),
              kConfigInvalid)
        << wrong;
  }
}

TEST_F(AdminInputTest, RefusesTimesOutOfTheirRange) {
  const std::pair<int64_t, int32_t> wrong[] = {
      {-1, 0}, {0, -1}, {INT64_MAX, INT32_MAX}, {INT64_MIN, INT32_MIN}, {1, -5}, {0, INT32_MAX}};
  for (const auto& [seconds, nanos] : wrong) {
    google::protobuf::Duration time;
    time.set_seconds(seconds);
    time.set_nanos(nanos);
    EXPECT_EQ(Create([&](auto& s) { *s.mutable_timeouts()->mutable_connect() = time; }),
              kConfigInvalid)
        << seconds << " " << nanos;
    EXPECT_EQ(Create([&](auto& s) { *s.mutable_health()->mutable_silent_after() = time; }),
              kConfigInvalid)
        << seconds << " " << nanos;
    const absl::Duration period = common::FromProto(time);
    if (period > absl::Milliseconds(50) && period < absl::Minutes(1)) continue;
    grpc::ClientContext context;
    v1::WatchEndpointsRequest watch;
    *watch.mutable_period() = time;
    const auto reader = stub_->WatchEndpoints(&context, watch);
    v1::WatchEndpointsResponse response;
    EXPECT_FALSE(reader->Read(&response)) << seconds << " " << nanos;
    EXPECT_EQ(common::ReasonOf(common::FromGrpcStatus(reader->Finish())), "ARGUMENT_INVALID");
  }
}

TEST_F(AdminInputTest, RefusesEmptyNamesAndNamesThatAreTakenTwice) {
  EXPECT_EQ(Refusal(Get("")), kNameInvalid);
  EXPECT_EQ(Refusal(Get("services/")), kNameInvalid);
  EXPECT_EQ(Refusal(Drain("")), kNameInvalid);
  EXPECT_EQ(Refusal(Undrain("")), kNameInvalid);
  EXPECT_EQ(Refusal(Call<v1::Service>(&Stub::CreateService, v1::CreateServiceRequest())),
            kNameInvalid);
  EXPECT_EQ(Refusal(Update({})), kNameInvalid);
  EXPECT_EQ(Refusal(Call<Empty>(&Stub::DeleteRoute, v1::DeleteRouteRequest())), kNameInvalid);
  EXPECT_EQ(Refusal(Call<v1::Explanation>(&Stub::Explain, v1::ExplainRequest())), kNameInvalid);
  v1::Config config;
  config.add_services();
  EXPECT_EQ(ApplyConfig(config), kConfigInvalid);
  config.mutable_services(0)->set_name("services/web");
  config.add_services()->set_name("web");
  EXPECT_EQ(ApplyConfig(config), kConfigInvalid);
}

TEST_F(AdminInputTest, BoundsTheServicesOfOneApply) {
  v1::Config config;
  for (int i = 0; i <= 10'000; ++i) config.add_services()->set_name(absl::StrCat("services/s", i));
  EXPECT_EQ(ApplyConfig(config), kConfigInvalid);
  v1::ApplyRequest most;
  config.mutable_services()->RemoveLast();
  *most.mutable_config() = config;
  most.set_validate_only(true);
  const auto planned = Call<v1::ApplyResponse>(&Stub::Apply, most);
  ASSERT_TRUE(planned.ok()) << planned.status();
  // The service and the route that were there go.
  EXPECT_EQ(planned->changes_size(), 10'002);
}

TEST_F(AdminInputTest, RefusesPagesThatNoListGaveOut) {
  // "MTo" is "1:", a token of ours without its name; "MTp3ZWI" is "1:web".
  for (const char* token : {"nonsense", "AAAA", "MTp3ZWI=====", "%%%%", " ", "MDp3ZWI", "\x01"}) {
    EXPECT_EQ(ListPage(token), kPageInvalid) << token;
    v1::ListAgentsRequest agents;
    agents.set_page_token(token);
    EXPECT_EQ(Refusal(Call<v1::ListAgentsResponse>(&Stub::ListAgents, agents)), kPageInvalid);
    v1::ListEndpointsRequest endpoints;
    endpoints.set_page_token(token);
    EXPECT_EQ(Refusal(Call<v1::ListEndpointsResponse>(&Stub::ListEndpoints, endpoints)),
              kPageInvalid);
  }
  // Of the other kind: a name where a number is meant, a number that is none.
  for (const char* token :
       {"nonsense", "MTp3ZWI", "MTow", "MTotMQ", "MToxODQ0Njc0NDA3MzcwOTU1MTYxNg"}) {
    v1::ListRevisionsRequest revisions;
    revisions.set_page_token(token);
    EXPECT_EQ(Refusal(Call<v1::ListRevisionsResponse>(&Stub::ListRevisions, revisions)),
              kPageInvalid)
        << token;
    v1::ListEventsRequest events;
    events.set_page_token(token);
    EXPECT_EQ(Refusal(Call<v1::ListEventsResponse>(&Stub::ListEvents, events)), kPageInvalid)
        << token;
  }
  for (const int32_t size : {-1, INT32_MIN}) {
    v1::ListServicesRequest request;
    request.set_page_size(size);
    EXPECT_EQ(Refusal(Call<v1::ListServicesResponse>(&Stub::ListServices, request)), kPageInvalid);
  }
  EXPECT_EQ(ListPage("MTp3ZWI"), "OK");
}

TEST_F(AdminInputTest, RefusesRevisionsThatAreNone) {
  v1::RollbackRequest rollback;
  for (const uint64_t wrong : {uint64_t{0}, uint64_t{2}, UINT64_MAX}) {
    rollback.set_revision(wrong);
    EXPECT_EQ(Refusal(Call<v1::ApplyResponse>(&Stub::Rollback, rollback)),
              "NOT_FOUND REVISION_NOT_FOUND")
        << wrong;
  }
  v1::GetRevisionRequest get;
  get.set_revision(UINT64_MAX);
  EXPECT_EQ(Refusal(Call<v1::ConfigRevision>(&Stub::GetRevision, get)),
            "NOT_FOUND REVISION_NOT_FOUND");
  v1::ApplyRequest apply;
  EXPECT_EQ(Refusal(Call<v1::ApplyResponse>(&Stub::Apply, apply)),
            "INVALID_ARGUMENT CONFIG_ABSENT");
  apply.mutable_config();
  apply.set_expected_revision(UINT64_MAX);
  EXPECT_EQ(Refusal(Call<v1::ApplyResponse>(&Stub::Apply, apply)),
            "FAILED_PRECONDITION REVISION_MISMATCH");
}

}  // namespace
}  // namespace pointsman::controller
