#include "storage/claims.hpp"

namespace peer::storage {

void Claims::take(const JournalRecord& record, std::uint64_t boot, std::uint64_t bytes) {
  using Type = JournalRecord::Type;
  if (record.type == Type::fresh) *this = Claims();
  if (record.a >= bytes || record.b == 0 || record.b > bytes - record.a) return;
  const protocol::Range range = record.range();
  if (record.type == Type::suspect) suspect(range);
  const bool claims = record.type == Type::stored || record.type == Type::zeros;
  if (!claims && record.type != Type::dropped) return;
  for (protocol::RangeSet* set : {&now, &old, &zeros}) set->remove(range);
  if (claims) (record.boot == boot ? now : old).add(range);
  if (record.type == Type::zeros) zeros.add(range);
}

void Claims::suspect(protocol::Range range) {
  old.add(now.intersection(range));
  now.remove(range);
}

}  // namespace peer::storage
