/* The shapes that the rule in words and the rule in lanes share: the voucher record, its policy,
 * and the columns of a batch. Their meaning is the ladder's of voucher.pxd. */
#ifndef FAREBOX_RECORD_H
#define FAREBOX_RECORD_H

#include <stdint.h>

enum {
  CAMPAIGN_ACTIVE = 1,
  MACHINE_ACTIVE = 2,
  PLACE_OK = 4,
  CURRENCY_OK = 8,
  PRODUCT_OK = 16,
  ALL_OK = 31,
  PARTIAL = 32
};

enum {
  /* Flags of a record; the policy's number is above them. */
  ACTIVE = 1,
  SHARED = 2, /* another record has the same key */
  WIDE = 4,   /* the upper bits of the version are not zero */
  POLICY_SHIFT = 8,
  DEVICE_BITS = 22
};

/* One cache line. A redeem reads and writes this line and nothing else. */
typedef struct {
  uint64_t key[2]; /* the canonical code, or what stands for a long one; key[0] = 0: a free slot */
  int64_t amount;
  int64_t total_amount;
  uint64_t hold; /* end in milliseconds above, device number below; 0 = none */
  uint32_t period_end_s;
  uint32_t expires_before_s;
  uint32_t count;
  uint32_t total;
  uint32_t policy_flags;
  uint32_t version; /* the lower 32 of 48 bits */
} record_t;

typedef struct {
  uint32_t value;
  uint32_t limit;
  uint32_t calendar; /* 0 = never resets */
  uint32_t gift;
} policy_t;

typedef struct {
  int64_t count;
  const uint8_t *key;
  const int32_t *device;
  const int64_t *cap;
  const int64_t *demand;
  const int64_t *lock_ms;
  const uint8_t *flags;
  int8_t *outcome;
  int64_t *amount_off;
  int64_t *balance;
  int64_t *hold_until_ms;
  uint8_t *changed;
} columns_t;

#endif
