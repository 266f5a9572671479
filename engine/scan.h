/* scan.h -- what lists and dictionaries in fields are made of (RFC 9651), laxly: any
 * byte may stand in a string. */
#ifndef CAIRN_SCAN_H
#define CAIRN_SCAN_H

#include "cairn/arena.h"
#include "cairn/status.h"

void scan_blanks(struct cairn_slice *text);

/* Takes the comma between two members and the blanks around it; false if something
 * else is there, or nothing behind it. At the end of the text it is fine. */
bool scan_comma(struct cairn_slice *text);

/* Takes a quoted string, its backslashes undone: a part of the text, or new in the
 * arena. CAIRN_NOT_FOUND if there is none, CAIRN_NO_MEMORY; neither with a message. */
enum cairn_status scan_string(struct cairn_slice *text, struct cairn_arena *arena,
                              struct cairn_slice *out);

/* The text with each `%xx` undone: itself, or new in the arena. CAIRN_CORRUPT for a
 * `%` before anything but two digits, CAIRN_NO_MEMORY; neither with a message. */
enum cairn_status scan_percent(struct cairn_slice text, struct cairn_arena *arena,
                               struct cairn_slice *out);

#endif
