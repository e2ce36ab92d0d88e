/* Some rows of an ascending chunk, added up where they lie (vending-commerce.md 4.12).
 *
 * Where a zone's cell changes, its rows are cut, so the cell of a row follows from its number and
 * its zone alone. The list may be in any order. Nothing here allocates. */
#ifndef FAREBOX_LISTED_H
#define FAREBOX_LISTED_H

#include "sales.h"

/* More cuts are not made. Of rows that are more than one in so many, columns are streamed. */
enum { CUTS_MAX = 15, STREAM_SHARE = 64 };

/* The rows from which on a zone has its next base, ascending; behind the last one CHUNK_ROWS. */
typedef struct {
  uint32_t row[CUTS_MAX + 1];
  uint32_t base[CUTS_MAX + 1];
} cuts_t;

/* Rows with their zones, to be added or taken away. */
typedef struct {
  const uint16_t *row;
  const uint8_t *zone;
  int64_t count;
  int32_t takes;
} listed_t;

/* The base of a row, in one comparison where no zone has two cuts, else in four. */
FAREBOX_INLINE uint32_t base_at(const cuts_t *cuts, uint32_t row, int many) {
  uint32_t i = 0;
  if (many) {
    i += (row >= cuts->row[7]) * 8u;
    i += (row >= cuts->row[i + 3]) * 4u;
    i += (row >= cuts->row[i + 1]) * 2u;
  }
  i += row >= cuts->row[i];
  return cuts->base[i];
}

FAREBOX_INLINE void take_sale(cell_t *cell, int32_t price) {
  cell->count -= price >= 0;
  cell->sum -= price;
}

FAREBOX_INLINE void listed_kind(cell_t *cells, const sales_t *sales, const keys_t *keys,
                                const cuts_t *cuts, const listed_t *listed, int many, int takes,
                                int kind) {
  const int64_t n = listed->count;
  for (int64_t i = 0; i < n; i++) {
    const uint32_t row = listed->row[i];
    const uint32_t base = base_at(&cuts[listed->zone[i]], row, many);
    cell_t *cell = &cells[base + key_of(sales, keys, kind, row)];
    if (takes) take_sale(cell, sales->price[row]);
    else add_sale(cell, sales->price[row]);
  }
}

/* Reads a column from its beginning to its end: memory answers that several times as fast as it
 * answers for rows here and there, whose lines then are in the second cache. */
static inline void stream(const void *column, int64_t bytes) {
  const uint64_t *at = column;
  uint64_t all = 0;
  for (int64_t i = 0; i < bytes / 8; i++) all |= at[i];
  __asm__ volatile("" : : "r"(all));
}

static inline void stream_columns(const sales_t *sales, const keys_t *keys) {
  stream(sales->price, sales->rows * 4);
  if (keys->kind != BY_PRODUCT) stream(sales->currency, sales->rows);
  if (keys->groups) stream(sales->product, sales->rows * 4);
  if (keys->kind == BY_PAYMENT_CURRENCY) stream(sales->payment, sales->rows);
}

#define FAREBOX_LISTED(kind)                                                              \
  if (many && listed->takes) listed_kind(cells, sales, keys, cuts, listed, 1, 1, kind);   \
  else if (many) listed_kind(cells, sales, keys, cuts, listed, 1, 0, kind);               \
  else if (listed->takes) listed_kind(cells, sales, keys, cuts, listed, 0, 1, kind);      \
  else listed_kind(cells, sales, keys, cuts, listed, 0, 0, kind);                         \
  break;

static void add_listed(cell_t *cells, const sales_t *sales, const keys_t *keys,
                       const cuts_t *cuts, const listed_t *listed, int many) {
  if (listed->count > sales->rows / STREAM_SHARE) stream_columns(sales, keys);
  switch (keys->kind) {
    case BY_CURRENCY: FAREBOX_LISTED(BY_CURRENCY)
    case BY_ZONE_CURRENCY: FAREBOX_LISTED(BY_ZONE_CURRENCY)
    case BY_PRODUCT: FAREBOX_LISTED(BY_PRODUCT)
    case BY_CURRENCY_PRODUCT: FAREBOX_LISTED(BY_CURRENCY_PRODUCT)
    default: FAREBOX_LISTED(BY_PAYMENT_CURRENCY)
  }
}

#endif
