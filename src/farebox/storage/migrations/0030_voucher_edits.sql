-- Vouchers that a change of their campaign's time zone has to find among all of its vouchers.

-- They inherit the zone but not the expiry that is read in it.
create index voucher_with_own_expiry on voucher.voucher (campaign)
  where inherit and expires_on is not null;
