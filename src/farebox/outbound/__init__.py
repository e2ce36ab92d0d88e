"""What leaves the building: mail now; SMS gateways, RADIUS and webhooks as their families come."""
