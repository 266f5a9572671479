/* signature_check.h -- whether a public key signed these bytes, by OpenSSL. */
#ifndef CAIRN_SIGNATURE_CHECK_H
#define CAIRN_SIGNATURE_CHECK_H

#include "cairn/status.h"

enum signature_algorithm { SIGNATURE_RSA_PSS_SHA512, SIGNATURE_ED25519 };

/* `key`: the modulus of an RSA key whose exponent is 65537 (the salt may be of any
 * length), or the 32 bytes of an Ed25519 key. CAIRN_UNVERIFIED without a message if it
 * did not; CAIRN_INVALID_ARGUMENT for what is no key. */
enum cairn_status signature_check(enum signature_algorithm algorithm,
                                  struct cairn_slice key, struct cairn_slice signature,
                                  struct cairn_slice signed_bytes,
                                  struct cairn_error *error);

#endif
