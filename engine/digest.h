/* digest.h -- SHA-256, HMAC-SHA256 and base64 (RFC 4648), by OpenSSL.
 *
 * Algorithms are fetched once in a process and contexts kept for each thread: fetching
 * for each call costs three times the hash. */
#ifndef CAIRN_DIGEST_H
#define CAIRN_DIGEST_H

#include "cairn/status.h"

enum { DIGEST_SIZE = 32 };

/* All pieces, one after the other. */
enum cairn_status digest_sha256(const struct cairn_slice *pieces, size_t count,
                                unsigned char out[DIGEST_SIZE],
                                struct cairn_error *error);

/* HMAC-SHA256 with the key `ao`, prepared once. */
enum cairn_status digest_hmac_ao(struct cairn_slice bytes,
                                 unsigned char out[DIGEST_SIZE],
                                 struct cairn_error *error);

/* Appends: the standard alphabet with padding, or the one for URLs without. */
bool base64_append(struct cairn_slice bytes, struct cairn_bytes *out);
bool base64url_append(struct cairn_slice bytes, struct cairn_bytes *out);

/* Writes at most text.size / 4 * 3 + 3 bytes to `out`; false for anything that is not
 * exactly an encoding (alphabet, length, unused bits). Padding may lack in either. */
bool base64_decode(struct cairn_slice text, unsigned char *out, size_t *size);
bool base64url_decode(struct cairn_slice text, unsigned char *out, size_t *size);

/* Whether `text` is what base64url makes of so many bytes as leave two bits over, as 32
 * do. Faster than to decode it: every call by id comes by here. */
bool base64url_fits(struct cairn_slice text);

#endif
