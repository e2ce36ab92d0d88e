-- Finds the campaigns and vouchers that show an image, of which there are few, when the image is to
-- be deleted.
create index campaign_with_logo on voucher.campaign (logo_image) where logo_image is not null;
create index voucher_with_logo on voucher.voucher (logo_image) where logo_image is not null;
