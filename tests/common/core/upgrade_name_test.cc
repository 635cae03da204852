#include "common/core/upgrade_name.h"

#include <gtest/gtest.h>

#include <string>

namespace pointsman::common {
namespace {

TEST(UpgradeNameTest, TakesTokensWithPerhapsAVersion) {
  for (absl::string_view name :
       {"tcp", "SPDY/3.1", "websocket", "WebSocket", "my.own~protocol/2024-06", "h2o", "https-ish",
        "httpx/1.0", "tlsx"}) {
    EXPECT_EQ(UpgradeNameError(name), "") << name;
  }
  EXPECT_EQ(UpgradeNameError(std::string(64, 'a')), "");
}

TEST(UpgradeNameTest, RefusesWhatIsNoName) {
  for (absl::string_view name :
       {"", "/", "/1", "tcp/", "tcp/1/2", "a b", "a,b", "\"tcp\"", "tcp\r\nx: y", "t\xc3\xa4"}) {
    EXPECT_NE(UpgradeNameError(name), "") << name;
  }
  EXPECT_NE(UpgradeNameError(std::string(65, 'a')), "");
}

TEST(UpgradeNameTest, RefusesWhatTheGatewaySpeaksItself) {
  for (absl::string_view name : {"h2c", "H2C", "h2", "h2-14", "h2c-14", "h2c/1", "h3", "HTTP",
                                 "HTTP/2.0", "http/1.1", "TLS", "TLS/1.0", "tls/1.3"}) {
    EXPECT_NE(UpgradeNameError(name), "") << name;
  }
}

TEST(UpgradeNameTest, NobodyComesAroundTheHandshakeOfWebSocket) {
  EXPECT_NE(UpgradeNameError("websocket/13"), "");
  EXPECT_NE(UpgradeNameError("WebSocket/8"), "");
}

}  // namespace
}  // namespace pointsman::common
