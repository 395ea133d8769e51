#include "node/answer.hpp"

#include <algorithm>
#include <new>

#include "node/wire_text.hpp"
#include "storage/digest.hpp"

namespace peer::node {

namespace {

using Piece = storage::Source::Piece;

Result<Piece> read_piece(storage::Source::Reader& reader, const protocol::Want& want,
                         std::span<std::byte> buffer) {
  if (want.of == protocol::Of::stream) return reader.read(want.offset, want.length, buffer);
  const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), want.length));
  auto size = reader.read_manifest(want.offset, buffer.first(most));
  if (!size) return std::move(size).error();
  Piece piece;
  piece.length = *size;
  return piece;
}

}  // namespace

std::string why_gone(const protocol::Gone& gone) {
  return gone.text.empty() ? gone.reason : gone.reason + ": " + gone.text;
}

namespace {

Answer read_now(storage::Source::Reader& reader, const protocol::Want& want,
                std::span<std::byte> buffer, AnswerForm form) {
  Answer answer;
  auto piece = read_piece(reader, want, buffer);
  if (piece && piece->length == 0)
    piece = Error(std::make_error_code(std::errc::io_error), "read the offer's record");
  if (!piece) {
    answer.error = piece.error();
    return answer;
  }
  if (piece->kind == Piece::Kind::gone) {
    auto& gone = answer.gone.emplace();
    gone.id = want.id;
    gone.entry = piece->entry;
    gone.offset = want.offset;
    gone.length = piece->length;
    gone.reason = piece->reason;
    gone.text = wire_text(piece->text, protocol::kMaxTextBytes);
    return answer;
  }
  auto& data = answer.data.emplace();
  data.id = want.id;
  data.of = want.of;
  data.offset = want.offset;
  data.length = piece->length;
  if (want.of == protocol::Of::stream) answer.current = reader.current();
  if (piece->kind == Piece::Kind::zeros) {
    if (form.zeros) {
      data.until = piece->hole_end;
      return answer;
    }
    data.length = std::min<std::uint64_t>(piece->length, buffer.size());
    std::ranges::fill(buffer.first(data.length), std::byte{0});
  }
  data.digest = storage::digest_of(form.digest, buffer.first(data.length));
  return answer;
}

}  // namespace

Answer read_answer(storage::Source::Reader& reader, const protocol::Want& want,
                   std::span<std::byte> buffer, AnswerForm form) {
  try {
    return read_now(reader, want, buffer, form);
  } catch (const std::bad_alloc&) {  // like what the disk says when the machine has none
    Answer answer;
    answer.error = Error(std::make_error_code(std::errc::not_enough_memory));
    return answer;
  }
}

}  // namespace peer::node
