"""What changes while somebody looks: read once for all who look, however many they are."""
