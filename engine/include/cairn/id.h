/* id.h -- under what name a thing is kept: by the hash of what it says.
 *
 * An id is base64url (RFC 4648 §5, without padding) of 32 bytes: 43 characters.
 *
 * Threads: pure functions, any thread. */
#ifndef CAIRN_ID_H
#define CAIRN_ID_H

#include "cairn/message.h"
#include "cairn/path.h"

#define CAIRN_ID_SIZE 43
#define CAIRN_HASH_SIZE 32

struct cairn_id {
    char text[CAIRN_ID_SIZE + 1]; /* terminated */
};

static inline struct cairn_slice cairn_id_slice(const struct cairn_id *id) {
    return (struct cairn_slice){id->text, CAIRN_ID_SIZE};
}

/* How ids are made of messages whose values or keys an HTTP field cannot carry
 * unchanged (engine/FORMATS.md tells how). Of all others both give the same id. */
enum cairn_ids {
    CAIRN_IDS_SAFE,      /* different messages have different ids */
    CAIRN_IDS_REFERENCE, /* bit for bit HyperBEAM's; different messages may share one */
};

/* True for 43 characters of base64url whose last spells no bits beyond 32 bytes. */
bool cairn_is_id(struct cairn_slice text);

void cairn_id_encode(const unsigned char hash[CAIRN_HASH_SIZE], struct cairn_id *out);
/* False if it is none. */
bool cairn_id_decode(struct cairn_slice text, unsigned char hash[CAIRN_HASH_SIZE]);

/* SHA-256 of the bytes. */
enum cairn_status cairn_id_of_bytes(struct cairn_slice bytes, struct cairn_id *out,
                                    struct cairn_error *error);

/* HMAC-SHA256 with the key `ao` over the RFC 9421 signature base of the stored message
 * in HTTP form. */
enum cairn_status cairn_id_of_message(const struct cairn_value *stored,
                                      enum cairn_ids ids, struct cairn_id *out,
                                      struct cairn_error *error);

/* The bytes that cairn_id_of_message authenticates; appended. */
enum cairn_status cairn_id_base(const struct cairn_value *stored, enum cairn_ids ids,
                                struct cairn_bytes *out, struct cairn_error *error);

/* The id that a message goes by: with no commitments as cairn_id_of_message, with one
 * its id, with several SHA-256 of their sorted ids joined by ", ". */
enum cairn_status cairn_id_of_committed(const struct cairn_value *stored,
                                        enum cairn_ids ids, struct cairn_id *out,
                                        struct cairn_error *error);

/* Checks every commitment of a stored message: of hmac-sha256 the id; rsa-pss-sha512
 * and ed25519 signatures over the signature base that the commitment names (by RFC 9421
 * or in the reference's dialect), that its id is SHA-256 of the signature, and its
 * committer, if it names one, of the key. Whatever the message has must be covered by
 * one of them. A message without commitments is fine. CAIRN_UNVERIFIED names the first
 * that is not; CAIRN_UNSUPPORTED an algorithm that is none of these. */
enum cairn_status cairn_message_verify(const struct cairn_value *stored,
                                       enum cairn_ids ids, struct cairn_error *error);

/* -- Hashpaths: results by what they were computed from --------------------------- */

enum cairn_hashpath_algorithm {
    CAIRN_SHA_256_CHAIN,  /* SHA-256(a || b) */
    CAIRN_ACCUMULATE_256, /* (a + SHA-256(a || b)) mod 2^256 */
};

/* "sha-256-chain" or "accumulate-256"; CAIRN_INVALID_ARGUMENT for another name. */
enum cairn_status cairn_hashpath_algorithm_of(struct cairn_slice name,
                                              enum cairn_hashpath_algorithm *out,
                                              struct cairn_error *error);

/* Base64url of alg(a, b): ids enter as their 32 bytes, others as they are.
 * CAIRN_INVALID_ARGUMENT if the first has not 32 bytes. */
enum cairn_status cairn_hashpath_fold(enum cairn_hashpath_algorithm algorithm,
                                      struct cairn_slice a, struct cairn_slice b,
                                      struct cairn_id *out, struct cairn_error *error);

/* What stands for a request in a hashpath: the first segment of its path if it has
 * nothing else, otherwise its id. Views into `stored` or `room`. */
enum cairn_status cairn_hashpath_request(const struct cairn_value *stored,
                                         enum cairn_ids ids, struct cairn_id *room,
                                         struct cairn_slice *out,
                                         struct cairn_error *error);

/* `base` (one part, or two, which are folded first) with `request` (a part) applied. */
enum cairn_status cairn_hashpath_push(enum cairn_hashpath_algorithm algorithm,
                                      struct cairn_slice base,
                                      struct cairn_slice request,
                                      struct cairn_path *out,
                                      struct cairn_error *error);

#endif
