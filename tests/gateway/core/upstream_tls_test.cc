#include "gateway/core/upstream_tls.h"

#include <set>

#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

TEST(UpstreamTlsTest, KeysFollowValues) {
  UpstreamTls tls;
  tls.server_name = "a.internal";
  tls.ca_pem = "pem";
  const UpstreamTls same = tls;
  EXPECT_EQ(UpstreamTlsKey(tls), UpstreamTlsKey(same));
  std::set<uint64_t> keys = {UpstreamTlsKey(tls), UpstreamTlsKey(UpstreamTls())};
  UpstreamTls other = tls;
  other.server_name = "b.internal";
  keys.insert(UpstreamTlsKey(other));
  other = tls;
  other.ca_pem = "other";
  keys.insert(UpstreamTlsKey(other));
  other = tls;
  other.insecure = true;
  keys.insert(UpstreamTlsKey(other));
  other = tls;
  other.protocol = UpstreamProtocol::kTcp;
  keys.insert(UpstreamTlsKey(other));
  EXPECT_EQ(keys.size(), 6u);
  EXPECT_FALSE(keys.contains(0));
}

}  // namespace
}  // namespace pointsman::gateway
