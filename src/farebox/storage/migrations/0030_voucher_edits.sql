-- The few vouchers that an edit of a campaign has to find among all of its vouchers.

-- Those with a sheet, which an edit of what is printed on it makes outdated.
create index voucher_with_sheet on voucher.voucher (campaign) where pdf_status <> 'empty';
-- Those that inherit a time zone but not the expiry that is read in it.
create index voucher_with_own_expiry on voucher.voucher (campaign)
  where inherit and expires_on is not null;
