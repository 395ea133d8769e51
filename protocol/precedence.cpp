#include "protocol/precedence.hpp"

namespace peer::protocol {

Keep which_stays(const SessionKey& old_one, const SessionKey& new_one, bool our_id_is_lower) {
  if (old_one.ours != new_one.ours || old_one.theirs != new_one.theirs) return Keep::the_new;
  if (old_one.we_dialled == new_one.we_dialled)
    return new_one.dial > old_one.dial ? Keep::the_new : Keep::the_old;
  const bool lower_dialled_new = new_one.we_dialled == our_id_is_lower;
  return lower_dialled_new ? Keep::the_new_if_it_answers : Keep::the_old_if_it_answers;
}

}  // namespace peer::protocol
