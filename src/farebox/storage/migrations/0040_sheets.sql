-- Finds the vouchers of a campaign that have a sheet, of which there are few, when the campaign
-- changes. Redemptions never write pdf_status, so their updates stay in the same page (HOT).
create index voucher_with_sheet on voucher.voucher (campaign, code_key, id)
  where pdf_status <> 'empty';
