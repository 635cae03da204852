#include "gateway/core/config_convert.h"

#include <limits>

#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

TEST(ConfigConvertTest, AbsentFieldsGetTheirDefaults) {
  EXPECT_EQ(PolicyOf(v1::Service()), ServicePolicy());
}

TEST(ConfigConvertTest, ZerosThatAreWrittenAreKept) {
  v1::Service service;
  service.mutable_retries()->set_max_retries(0);
  service.mutable_retries()->set_budget_ratio(0);
  service.mutable_retries()->set_budget_min_per_second(0);
  const ServicePolicy policy = PolicyOf(service);
  EXPECT_EQ(policy.max_retries, 0u);
  EXPECT_EQ(policy.retry_budget_ratio, 0);
  EXPECT_EQ(policy.retry_budget_min_per_second, 0u);
}

TEST(ConfigConvertTest, TheProtocolOfTheEndpoints) {
  v1::Service service;
  EXPECT_FALSE(PolicyOf(service).upstream_http2);
  service.set_protocol(v1::PROTOCOL_HTTP1);
  EXPECT_FALSE(PolicyOf(service).upstream_http2);
  service.set_protocol(v1::PROTOCOL_HTTP2);
  EXPECT_TRUE(PolicyOf(service).upstream_http2);
  service.set_authority("a.example:80");
  EXPECT_EQ(PolicyOf(service).authority, "a.example:80");
  service.set_authority("a\r\nb: c");
  EXPECT_EQ(PolicyOf(service).authority, "") << "however it came here";
}

TEST(ConfigConvertTest, ValuesOutOfRangeMoveToTheNearestEnd) {
  v1::Service service;
  service.mutable_timeouts()->mutable_connect()->set_seconds(-5);
  service.mutable_timeouts()->mutable_idle()->set_seconds(std::numeric_limits<int64_t>::max());
  service.mutable_retries()->set_max_retries(99);
  service.mutable_retries()->set_budget_ratio(std::numeric_limits<double>::quiet_NaN());
  const ServicePolicy policy = PolicyOf(service);
  EXPECT_EQ(policy.connect_timeout, absl::Milliseconds(1));
  EXPECT_EQ(policy.idle_timeout, absl::Hours(24));
  EXPECT_EQ(policy.max_retries, 5u);
  EXPECT_EQ(policy.retry_budget_ratio, 0.2);
}

TEST(ConfigConvertTest, AWholeRequestsTimeOfZeroIsNoLimit) {
  v1::Service service;
  EXPECT_EQ(PolicyOf(service).request_timeout, absl::Minutes(5));
  service.mutable_timeouts()->mutable_request();
  EXPECT_EQ(PolicyOf(service).request_timeout, absl::InfiniteDuration());
  service.mutable_timeouts()->mutable_request()->set_seconds(-1);
  EXPECT_EQ(PolicyOf(service).request_timeout, absl::Milliseconds(1));
}

TEST(ConfigConvertTest, WhoWaitsWhereALimitIsReached) {
  v1::Service service;
  v1::Limits* limits = service.mutable_limits();
  limits->set_max_waiting(7);
  EXPECT_EQ(PolicyOf(service).waiting_max, 7u);
  EXPECT_EQ(PolicyOf(service).wait_max, absl::Seconds(1));
  EXPECT_TRUE(PolicyOf(service).watches_load());
  limits->mutable_max_wait()->set_nanos(5'000'000);
  EXPECT_EQ(PolicyOf(service).wait_max, absl::Milliseconds(5));
  limits->mutable_max_wait()->set_seconds(1000);
  limits->set_max_waiting(std::numeric_limits<uint32_t>::max());
  EXPECT_EQ(PolicyOf(service).wait_max, absl::Minutes(1));
  EXPECT_EQ(PolicyOf(service).waiting_max, 100'000u);
}

TEST(ConfigConvertTest, ALimitIsLearnedWhenItIsAskedFor) {
  v1::Service service;
  EXPECT_FALSE(PolicyOf(service).watches_load());
  v1::Limits* limits = service.mutable_limits();
  limits->mutable_adaptive();
  EXPECT_EQ(PolicyOf(service).adaptive_min_in_flight, 20u);
  EXPECT_TRUE(PolicyOf(service).watches_load());
  limits->mutable_adaptive()->set_min_in_flight(50);
  EXPECT_EQ(PolicyOf(service).adaptive_min_in_flight, 50u);
  limits->set_max_in_flight(30);
  EXPECT_EQ(PolicyOf(service).adaptive_min_in_flight, 30u);
}

TEST(ConfigConvertTest, SecondTriesWhenTheyAreAskedFor) {
  v1::Service service;
  EXPECT_EQ(PolicyOf(service).hedge_percentile, 0);
  v1::Hedging* hedging = service.mutable_retries()->mutable_hedging();
  EXPECT_EQ(PolicyOf(service).hedge_percentile, 95);
  EXPECT_EQ(PolicyOf(service).hedge_min_delay, absl::Milliseconds(10));
  EXPECT_TRUE(PolicyOf(service).watches_load());
  hedging->set_percentile(99);
  hedging->mutable_min_delay()->set_seconds(2);
  EXPECT_EQ(PolicyOf(service).hedge_percentile, 99);
  EXPECT_EQ(PolicyOf(service).hedge_min_delay, absl::Seconds(2));
  hedging->set_percentile(1e9);
  hedging->mutable_min_delay()->set_seconds(-2);
  EXPECT_EQ(PolicyOf(service).hedge_percentile, 99.9);
  EXPECT_EQ(PolicyOf(service).hedge_min_delay, absl::Milliseconds(1));
  hedging->set_percentile(std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(PolicyOf(service).hedge_percentile, 95);
}

TEST(ConfigConvertTest, AgesMoveToTheNearestEndOfTheirRanges) {
  v1::Service service;
  service.mutable_connections()->set_max_requests(1'000);
  service.mutable_connections()->mutable_max_age()->set_seconds(60);
  service.mutable_timeouts()->mutable_stream_age()->set_seconds(30);
  ServicePolicy policy = PolicyOf(service);
  EXPECT_EQ(policy.connection_requests_max, 1'000u);
  EXPECT_EQ(policy.connection_age_max, absl::Minutes(1));
  EXPECT_EQ(policy.stream_age_max, absl::Seconds(30));
  service.mutable_connections()->mutable_max_age()->set_seconds(0);
  service.mutable_timeouts()->mutable_stream_age()->set_seconds(0);
  policy = PolicyOf(service);
  EXPECT_EQ(policy.connection_age_max, absl::Seconds(1));
  EXPECT_EQ(policy.stream_age_max, absl::Milliseconds(1));
  service.mutable_connections()->mutable_max_age()->set_seconds(10'000'000);
  service.mutable_timeouts()->mutable_stream_age()->set_seconds(10'000'000);
  policy = PolicyOf(service);
  EXPECT_EQ(policy.connection_age_max, absl::Hours(720));
  EXPECT_EQ(policy.stream_age_max, absl::Hours(24));
}

TEST(ConfigConvertTest, ServicesWithoutAgesHaveNone) {
  v1::Service service;
  service.mutable_connections();
  service.mutable_timeouts();
  const ServicePolicy policy = PolicyOf(service);
  EXPECT_EQ(policy.connection_requests_max, 0u);
  EXPECT_EQ(policy.connection_age_max, absl::InfiniteDuration());
  EXPECT_EQ(policy.stream_age_max, absl::InfiniteDuration());
}

TEST(ConfigConvertTest, StatusesThatAreTriedAgain) {
  v1::Service service;
  EXPECT_TRUE(PolicyOf(service).retry_statuses.empty());
  for (const uint32_t status : {503u, 429u, 599u, 200u, 428u, 600u, 4'294'967'295u}) {
    service.mutable_retries()->add_statuses(status);
  }
  const RetryStatuses statuses = PolicyOf(service).retry_statuses;
  EXPECT_FALSE(statuses.empty());
  for (const int status : {429, 503, 599}) EXPECT_TRUE(statuses.Has(status)) << status;
  for (const int status : {-1, 0, 200, 428, 430, 500, 502, 504, 598, 600, 1024}) {
    EXPECT_FALSE(statuses.Has(status)) << status;
  }
}

TEST(ConfigConvertTest, EachStatusOfRetriesIsAlone) {
  for (int added = 400; added <= 620; ++added) {
    RetryStatuses statuses;
    statuses.Add(static_cast<uint32_t>(added));
    const bool counts = added == 429 || (added >= 500 && added <= 599);
    EXPECT_EQ(statuses.empty(), !counts) << added;
    for (int asked = 400; asked <= 620; ++asked) {
      EXPECT_EQ(statuses.Has(asked), counts && asked == added) << added << " " << asked;
    }
  }
}

TEST(ConfigConvertTest, PoliciesNameTheTlsOfTheirService) {
  v1::Config config;
  EXPECT_EQ(UpstreamTlsOf(config), nullptr);
  config.add_services()->set_name("plain");
  EXPECT_EQ(UpstreamTlsOf(config), nullptr);
  EXPECT_EQ(PolicyOf(config.services(0)).upstream_tls, 0u);
  v1::Service* service = config.add_services();
  service->set_protocol(v1::PROTOCOL_HTTP2);
  service->mutable_tls()->set_server_name("a.internal");
  const auto map = UpstreamTlsOf(config);
  ASSERT_NE(map, nullptr);
  ASSERT_EQ(map->size(), 1u);
  const UpstreamTls& tls = map->at(PolicyOf(*service).upstream_tls);
  EXPECT_EQ(tls.server_name, "a.internal");
  EXPECT_EQ(tls.protocol, UpstreamProtocol::kHttp2);
  EXPECT_FALSE(tls.insecure);
}

TEST(ConfigConvertTest, ServiceIdsAreValidUniqueAndSorted) {
  v1::Config config;
  config.add_services()->set_name("services/b");
  config.add_services()->set_name("a");
  EXPECT_EQ(*ServiceIds(config), (std::vector<std::string>{"a", "b"}));
  config.add_services()->set_name("services/a");
  EXPECT_EQ(ServiceIds(config).status().code(), absl::StatusCode::kInvalidArgument);
  config.mutable_services(2)->set_name("Not valid");
  EXPECT_FALSE(ServiceIds(config).ok());
  for (int i = 0; i < 10'001; ++i) config.add_services();
  EXPECT_EQ(ServiceIds(config).status().code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace pointsman::gateway
