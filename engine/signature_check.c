/* signature_check.c -- whether a public key signed these bytes, by OpenSSL. */
#include "signature_check.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

enum {
    MODULUS_MIN = 128,  /* bytes: 1,024 bits */
    MODULUS_MAX = 1024, /* beyond it checking takes long */
    EXPONENT = 65537,
    ED25519_SIZE = 32,
};

static const unsigned char *bytes_of(struct cairn_slice slice) {
    return (const unsigned char *)slice.data;
}

static EVP_PKEY *from_params(OSSL_PARAM *params) {
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    if (!context || EVP_PKEY_fromdata_init(context) <= 0 ||
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) <= 0)
        key = NULL;
    EVP_PKEY_CTX_free(context);
    return key;
}

static EVP_PKEY *rsa_key(struct cairn_slice modulus) {
    if (modulus.size < MODULUS_MIN || modulus.size > MODULUS_MAX)
        return NULL;
    EVP_PKEY *key = NULL;
    OSSL_PARAM *params = NULL;
    BIGNUM *n = BN_bin2bn(bytes_of(modulus), (int)modulus.size, NULL);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    if (n && build && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) &&
        OSSL_PARAM_BLD_push_ulong(build, OSSL_PKEY_PARAM_RSA_E, EXPONENT))
        params = OSSL_PARAM_BLD_to_param(build);
    if (params)
        key = from_params(params);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    BN_free(n);
    return key;
}

static EVP_PKEY *ed25519_key(struct cairn_slice key) {
    if (key.size != ED25519_SIZE)
        return NULL;
    return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, bytes_of(key), key.size);
}

static bool verifies(EVP_PKEY *key, bool rsa, struct cairn_slice signature,
                     struct cairn_slice signed_bytes) {
    EVP_PKEY_CTX *settings = NULL; /* the context's own */
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good =
        context && EVP_DigestVerifyInit_ex(context, &settings, rsa ? "SHA512" : NULL,
                                           NULL, NULL, key, NULL) > 0;
    if (good && rsa)
        good = EVP_PKEY_CTX_set_rsa_padding(settings, RSA_PKCS1_PSS_PADDING) > 0 &&
               EVP_PKEY_CTX_set_rsa_pss_saltlen(settings, RSA_PSS_SALTLEN_AUTO) > 0;
    good = good && EVP_DigestVerify(context, bytes_of(signature), signature.size,
                                    bytes_of(signed_bytes), signed_bytes.size) == 1;
    EVP_MD_CTX_free(context);
    return good;
}

enum cairn_status signature_check(enum signature_algorithm algorithm,
                                  struct cairn_slice key, struct cairn_slice signature,
                                  struct cairn_slice signed_bytes,
                                  struct cairn_error *error) {
    bool rsa = algorithm == SIGNATURE_RSA_PSS_SHA512;
    EVP_PKEY *made = rsa ? rsa_key(key) : ed25519_key(key);
    if (!made)
        return cairn_fail(error, CAIRN_INVALID_ARGUMENT,
                          "a key of %zu bytes is no %s key", key.size,
                          rsa ? "RSA" : "Ed25519");
    bool good = verifies(made, rsa, signature, signed_bytes);
    EVP_PKEY_free(made);
    return good ? CAIRN_OK : CAIRN_UNVERIFIED;
}
