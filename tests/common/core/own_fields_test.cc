#include "common/core/own_fields.h"

#include "gtest/gtest.h"

namespace pointsman::common {
namespace {

TEST(OwnFieldsTest, WhatFramesRoutesOrTellsOfAConnection) {
  for (const char* name :
       {"Host", "connection", "Content-Length", "transfer-encoding", "TE", "X-Forwarded-For",
        "x-forwarded-anything", "X-Pointsman-Reason", "X-Request-Id", "Sec-WebSocket-Key",
        "sec-websocket-accept", "grpc-timeout", "content_length", "x_forwarded_for"}) {
    EXPECT_TRUE(IsOwnField(name)) << name;
  }
}

TEST(OwnFieldsTest, EverythingElseIsTheRoutes) {
  for (const char* name : {"authorization", "cookie", "x-tenant", "content-type", "hosts", "",
                           "x-forwarded", "sec-websocket", "content-lengths"}) {
    EXPECT_FALSE(IsOwnField(name)) << name;
  }
}

}  // namespace
}  // namespace pointsman::common
