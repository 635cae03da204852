#pragma once

// The client's side of a copy of a request: nobody waits for the answer. Owned by the copy's
// stream; thread-compatible.

#include <string>

#include "gateway/proxy/exchange.h"

namespace pointsman::gateway {

class MirrorSide final : public ClientSide {
 public:
  // Facts of the original's client, which may be gone before the copy is done.
  explicit MirrorSide(const ClientSide& original)
      : peer_(original.PeerHost()), proto_(original.Proto()), via_(original.Via()) {}

  // The copy can take more of the body: a piece of any size, as from a client that has credit.
  bool HasRoom() const { return credit_ > 0; }

  // ClientSide
  void SendContinue() override {}
  void SendInterim(const ResponseHead& /*head*/) override {}
  void SendHead(const ResponseHead& /*head*/, bool /*end*/, bool /*request_ended*/) override {}
  void SendData(Slice /*data*/) override {}
  void SendEnd(const ResponseHead& /*head*/) override {}
  void SendOwn(const OwnResponse& /*response*/, bool /*request_ended*/) override {}
  void Abort() override {}
  void StreamDone() override {}
  void SetRequestCredit(int64_t bytes) override { credit_ = bytes; }
  size_t UnsentBytes() const override { return 0; }
  absl::string_view PeerHost() const override { return peer_; }
  bool PeerTrusted() const override { return false; }
  absl::string_view Proto() const override { return proto_; }
  absl::string_view Via() const override { return via_; }
  const TlsFilter* Tls() const override { return nullptr; }
  bool Misdirected(absl::string_view /*authority*/) const override { return false; }

 private:
  const std::string peer_;
  const std::string proto_;
  const std::string via_;
  int64_t credit_ = 0;
};

}  // namespace pointsman::gateway
