#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "protocol/message.hpp"
#include "storage/source.hpp"

namespace peer::node {

/// The front of a want, read from disk: what is said (`data` with its digest, or `gone`), or the
/// disk's error. Raw bytes of a `data` stand in the buffer.
struct Answer {
  std::optional<protocol::Data> data;
  std::optional<protocol::Gone> gone;
  std::optional<Error> error;
  std::string current;  ///< with `data` of the stream: path of the file that it ends in
};

/// What both `hello`s allow in answers.
struct AnswerForm {
  protocol::Digest::Kind digest = protocol::Digest::Kind::sha256;
  bool zeros = false;
};

/// Blocking: on a pool or data thread.
Answer read_answer(storage::Source::Reader& reader, const protocol::Want& want,
                   std::span<std::byte> buffer, AnswerForm form);

/// For the record of a transfer: what the giver says of an entry that it cannot send.
std::string why_gone(const protocol::Gone& gone);

}  // namespace peer::node
