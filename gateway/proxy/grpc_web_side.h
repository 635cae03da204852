#pragma once

// Stands between a stream and a client that speaks gRPC-Web: the stream sees a gRPC client. Owned
// by the stream; thread-compatible.

#include <memory>

#include "gateway/grpc/web.h"
#include "gateway/net/chunk.h"
#include "gateway/proxy/exchange.h"

namespace pointsman::gateway {

class GrpcWebSide final : public ClientSide {
 public:
  // `client` and `chunks` outlive it.
  GrpcWebSide(GrpcWebKind kind, ClientSide* client, ChunkPool* chunks)
      : kind_(kind), client_(client), chunks_(chunks) {}

  // Who is behind it.
  ClientSide* client() const { return client_; }
  // Makes the request gRPC's.
  void TranslateRequest(RequestHead* head) const;
  // A piece of the request's body becomes what it says; may become empty. False: it is malformed.
  bool TranslateData(Slice* data);
  // The request's body may end here.
  bool request_whole() const { return reader_.at_border(); }
  // Makes a gRPC answer gRPC-Web's. `end`: it has no body.
  void TranslateResponse(bool end, ResponseHead* head) const;

  // ClientSide
  void SendContinue() override { client_->SendContinue(); }
  void SendInterim(const ResponseHead& head) override { client_->SendInterim(head); }
  void SendHead(const ResponseHead& head, bool end, bool request_ended) override {
    client_->SendHead(head, end, request_ended);
  }
  void SendData(Slice data) override;
  void SendEnd(const ResponseHead& head) override;
  void SendOwn(const OwnResponse& response, bool request_ended) override;
  void Abort() override { client_->Abort(); }
  void StreamDone() override { client_->StreamDone(); }
  void SetRequestCredit(int64_t bytes) override { client_->SetRequestCredit(bytes); }
  size_t UnsentBytes() const override { return client_->UnsentBytes(); }
  absl::string_view PeerHost() const override { return client_->PeerHost(); }
  bool PeerTrusted() const override { return client_->PeerTrusted(); }
  absl::string_view Proto() const override { return client_->Proto(); }
  absl::string_view Via() const override { return client_->Via(); }
  const TlsFilter* Tls() const override { return client_->Tls(); }
  bool Misdirected(absl::string_view authority) const override {
    return client_->Misdirected(authority);
  }

 private:
  void SendBytes(absl::string_view bytes);

  const GrpcWebKind kind_;
  ClientSide* const client_;
  ChunkPool* const chunks_;
  Base64Reader reader_;
  Base64Writer writer_;
};

}  // namespace pointsman::gateway
